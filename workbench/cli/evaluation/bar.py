"""Progress of an evaluation of many combinations: a bar on a terminal, one line per combination elsewhere."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

import workbench as wb
from workbench.cli.display import PlainProgress, duration, number


class EvaluationBar:
    """Counts network evaluations, which take nearly all of the time; use as a context manager.

    `combinations` and `evaluations` are the totals that are computed; stored combinations do not count.
    """

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
            self._console.print(
                f"[yellow]stopped: {self._finished} of {self._combinations} new combinations are stored; "
                f"the same command computes the rest[/]"
            )

    def show(self, planned: wb.runs.PlannedCombination, images: int) -> None:
        """Show that `images` of a combination are drawn."""
        what = f"{self._finished + 1}/{self._combinations}  {planned.name}"
        completed = self._before + images * planned.nfe
        self._bar.update(self._task, description=escape(what), completed=completed)
        if self._plain is not None:
            self._plain.show(what, completed)

    def finish(self, measured: wb.runs.MeasuredCombination) -> None:
        """Count a combination that was computed, and print its numbers or why it has none."""
        planned, result = measured.planned, measured.result
        if result is None:
            self._console.print(f"[yellow]{escape(planned.name)} is left out: {escape(str(measured.error))}[/]")
        elif planned.stored is None:
            self._finished += 1
            self._before += result.samples * planned.nfe
            if not self._console.is_terminal:
                metrics = {key: value for key, value in result.metrics.items() if not key.endswith("_std_error")}
                numbers = "  ".join(f"{key} {number(value)}" for key, value in metrics.items())
                count = f"{self._finished}/{self._combinations}"
                self._console.print(f"{count}  {escape(planned.name)}: {numbers}  ({duration(result.seconds)})")
