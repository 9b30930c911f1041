"""Progress of a run: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from workbench.progress import Progress as Moment

WIDE = "500"  # columns in files and pipes: tables need not wrap there
PLAIN_SECONDS = 20.0  # between two lines of progress


def wide_console() -> Console:
    """A console for tables that does not break lines, so that ids and commands can be copied."""
    width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", WIDE))
    return Console(highlight=False, soft_wrap=True, width=width)


class Display:
    """Shows the progress of a run; use as a context manager."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._printed = 0.0
        if console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description:>12}"),
                BarColumn(bar_width=30),
                TextColumn("{task.completed:.0f}/{task.total:.0f}"),
                TextColumn("{task.fields[details]}", style="dim"),
                console=console,
                transient=True,
            )

    def __enter__(self) -> Display:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bars:
            self._bars.stop()

    def data(self, what: str, done: int, total: int) -> None:
        """Show the progress of loading data."""
        self._bar(what, done, total, "")

    def show(self, moment: Moment) -> None:
        """Show one moment of a run."""
        if moment.total:
            name = "training" if moment.phase == "training" else moment.what or moment.phase
            self._bar(name, moment.done, moment.total, _details(moment))
        if (results := _results(moment.metrics)) and moment.phase in ("evaluating", "training"):
            self.console.print(f"[dim]step {moment.step:>6}[/]  {results}", highlight=False)

    def _bar(self, name: str, done: int, total: int, details: str) -> None:
        if self._bars is None:
            now = time.monotonic()
            if done == total or now - self._printed > PLAIN_SECONDS:
                if not (done == total and name == "training"):
                    self.console.print(f"{name} {done}/{total}  {details}".rstrip(), highlight=False)
                self._printed = now
            return
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, details=details)
        self._bars.update(self._tasks[name], completed=done, total=total, details=details)
        if done >= total and name != "training":
            self._bars.remove_task(self._tasks.pop(name))


class PlainProgress:
    """Prints progress and remaining time every 20 seconds: for pipes and files, where no bar is drawn."""

    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total = console, total
        self._started = self._printed = time.monotonic()

    def show(self, what: str, done: int) -> None:
        """Report that `done` of the total is done."""
        now = time.monotonic()
        if not 0 < done < self._total or now - self._printed < PLAIN_SECONDS:
            return
        self._printed = now
        left = (now - self._started) / done * (self._total - done)
        self._console.print(f"{what}: {done / self._total:.0%} done, {duration(left)} left", highlight=False, markup=False)


class ImageBar:
    """Progress of drawing images, on stderr: a bar on a terminal, lines elsewhere; use as a context manager."""

    def __init__(self, what: str, total: int) -> None:
        console = Console(stderr=True)
        self._what, self._plain = what, None if console.is_terminal else PlainProgress(console, total)
        self._bar = Progress(*Progress.get_default_columns(), console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task(escape(what), total=total)

    def __enter__(self) -> ImageBar:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()

    def show(self, done: int) -> None:
        """Report that `done` images are drawn."""
        self._bar.update(self._task, completed=done)
        if self._plain is not None:
            self._plain.show(self._what, done)


def _details(moment: Moment) -> str:
    loss = f"loss {moment.metrics['train/loss']:.4f}" if "train/loss" in moment.metrics else ""
    speed = f"{moment.images_per_second:.1f} images/s" if moment.images_per_second else ""
    left = f"{duration(moment.seconds_left)} left" if moment.seconds_left is not None else ""
    return "  ".join(filter(None, [loss, speed, left]))


def _results(metrics: Mapping[str, float]) -> str:
    """Validation losses and distances."""
    shown = {
        name: value
        for name, value in metrics.items()
        if not name.startswith(("train/", "eval/", "val/loss_")) and not name.endswith("_std_error")
    }
    return "  ".join(f"{name.replace('val/loss', 'validation loss')} [bold]{number(value)}[/]" for name, value in shown.items())


def number(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}"


def with_error(value: float, error: float | None) -> str:
    """ "0.467 ± 0.025": the error with two significant digits; four significant digits of the value if the error is None."""
    if error is None:
        return number(value)
    decimals = next((n for n in range(1, 12) if error >= 10.0 ** (1 - n)), 12)
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def duration(seconds: float) -> str:
    """ "5 s", "3:20 min", "2:05 h"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
