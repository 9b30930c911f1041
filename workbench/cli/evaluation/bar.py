"""How an evaluation of many combinations looks while it goes: a bar on a terminal, a line per combination elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

import workbench as wb
from workbench.cli.display import PlainProgress, duration, number


class EvaluationBar:
    """Counts network evaluations, which is what takes the time; use as a context manager."""

    def __init__(self, console: Console, combinations: int, evaluations: int) -> None:
        self._console, self._combinations = console, combinations
        self._finished = self._before = 0  # combinations, and network evaluations in them
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:.0f} %"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal or not combinations)
        self._task = self._bar.add_task("", total=evaluations)
        self._plain = None if console.is_terminal else PlainProgress(console, evaluations)

    def __enter__(self) -> EvaluationBar:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()
        if kind is KeyboardInterrupt:
            told = f"stopped: {self._finished} of {self._combinations} new combinations are kept; the same command goes on"
            self._console.print(f"[yellow]{told}[/]")

    def follow(
        self, name: str, cost: int, measure: Callable[[Callable[[int], None]], wb.runs.CombinationResult]
    ) -> wb.runs.CombinationResult:
        """Show `measure` while it goes; it is given whom to tell of the images drawn, of `cost` network evaluations each."""
        self._bar.update(self._task, description=f"{self._finished + 1}/{self._combinations}  {escape(name)}")
        evaluation = measure(lambda done: self._show(name, self._before + done * cost))
        self._finished += 1
        self._before += evaluation.samples * cost
        if not self._console.is_terminal:
            told = "  ".join(
                f"{key} {number(value)}" for key, value in evaluation.metrics.items() if not key.endswith("_std_error")
            )
            self._console.print(
                f"{self._finished}/{self._combinations}  {escape(name)}: {told}  ({duration(evaluation.seconds)})"
            )
        return evaluation

    def _show(self, name: str, evaluations: int) -> None:
        self._bar.update(self._task, completed=evaluations)
        if self._plain is not None:
            self._plain.show(f"{self._finished + 1}/{self._combinations}  {name}", evaluations)
