"""The progress of a sweep: a table of its workers on a terminal, a line per minute elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType

import rich.live
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

import workbench as wb
from workbench.cli.display import duration, number

PLAIN_SECONDS = 60.0
FIRST_SECONDS = 10.0  # until the first line without a terminal
COUNT_SECONDS = 1.0  # between reads of the ledger
ROOMY, NARROW = 100, 72  # columns of a terminal from which bars are long, and from which there are bars
OTHERS = 46  # columns of a row without its bar and text: trial, counts, speed and the space between them
BETWEEN = "  "


class Live:
    """Draws the workers and the counts of trials, or what `counts` returns. A context manager."""

    def __init__(
        self,
        sweep: wb.sweep.OpenSweep,
        console: Console,
        counts: Callable[[Sequence[wb.sweep.WorkerView]], list[str]] | None = None,
    ) -> None:
        self._sweep, self._console = sweep, console
        self._count = counts or self._count_trials
        self._started = time.monotonic()
        self._counted = 0.0
        self._printed = self._started + FIRST_SECONDS - PLAIN_SECONDS
        self._first = sweep.queue.tally().done
        self._counts: list[str] = []
        self._live = rich.live.Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Live:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def show(self, workers: Sequence[wb.sweep.WorkerView]) -> None:
        """Draw the current state, if it is time for that."""
        now = time.monotonic()
        if now - self._counted > COUNT_SECONDS:
            self._counted, self._counts = now, self._count(workers)
        if self._live:
            self._live.update(Group(_table(workers, self._console.width, now), Flow(self._counts)), refresh=True)
        elif now - self._printed > PLAIN_SECONDS:
            self._printed = now
            progress = ", ".join(map(_describe_progress, filter(_is_busy, workers)))
            self._console.print(f"{BETWEEN.join(self._counts)}  [dim]{progress}[/]")

    def _count_trials(self, workers: Sequence[wb.sweep.WorkerView]) -> list[str]:
        rows = self._sweep.queue.rows()
        tally = self._sweep.queue.tally(rows)
        parts = [
            f"{tally.done} of {tally.total} trials",
            f"{tally.running} running" if not workers and tally.running else "",
            f"{tally.pruned} pruned" if tally.pruned else "",
            f"{tally.failed} failed" if tally.failed else "",
        ]
        target = self._sweep.targets[0]
        if len(self._sweep.targets) == 1:
            values = {row.number: row.outcome.values[0] for row in rows if row.outcome and row.outcome.ending == "complete"}
            if values:
                best = (min if target.direction == "minimize" else max)(values, key=values.__getitem__)
                parts.append(f"best {target.metric} [bold]{number(values[best])}[/] (trial {best})")
        done, spent = tally.done - self._first, time.monotonic() - self._started
        if done and not tally.finished:
            parts.append(f"{duration(spent / done * (tally.total - tally.done))} left")
        return list(filter(None, parts))


class DrawCounts:
    """Counts of the draws that confirm the best trials, and the time left."""

    def __init__(self, source: wb.sweep.ConfirmationSource) -> None:
        self._source, self._first = source, (0.0, 0)  # when the first images were drawn, and how many

    def __call__(self, workers: Sequence[wb.sweep.WorkerView]) -> list[str]:
        source, now = self._source, time.monotonic()
        done, total = source.images_done(workers), source.images
        parts = [f"{done // source.samples} of {total // source.samples} draws", f"{done:,} of {total:,} images"]
        started, before = self._first
        if done and not before:
            self._first = now, done
        elif done > before and done < total:
            parts.append(f"{duration((now - started) / (done - before) * (total - done))} left")
        return parts


class Flow:
    """Items in a row, wrapped between items only."""

    def __init__(self, items: Sequence[str]) -> None:
        self._items = [Text.from_markup(item) for item in items]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = Text()
        for item in self._items:
            if line and line.cell_len + len(BETWEEN) + item.cell_len > options.max_width:
                yield line
                line = Text()
            line = Text(BETWEEN).join([line, item]) if line else item
        yield line


def _is_busy(view: wb.sweep.WorkerView) -> bool:
    return view.task is not None and bool(view.progress)


def _describe_progress(view: wb.sweep.WorkerView) -> str:
    done, total = view.progress.get("done", 0), view.progress.get("total", 0)
    return f"trial {view.task.number if view.task else '-'}: {done:,}/{total:,}"


def _table(workers: Sequence[wb.sweep.WorkerView], width: int, now: float) -> Table:
    """A row of one line for each worker."""
    bar = 24 if width >= ROOMY else 14 if width >= NARROW else 0
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(10, width - bar - OTHERS))
    for _ in range(3):
        table.add_column(no_wrap=True, overflow="ellipsis")
    for view in workers:
        if view.task is None:
            table.add_row("[dim]-[/]", "[dim]waiting[/]")
            continue
        progress = view.progress
        what = progress.get("what") or progress.get("phase", "starting")
        done, total = progress.get("done", 0), progress.get("total", 0)
        bar_drawn = ProgressBar(total=total, completed=done, width=bar) if total and bar else ""
        images_per_second = progress.get("images_per_second")
        speed = f"{images_per_second:.0f} images/s" if images_per_second else duration(now - view.since)
        table.add_row(f"trial {view.task.number}", what, bar_drawn, f"{done}/{total}" if total else "", f"[dim]{speed}[/]")
    return table
