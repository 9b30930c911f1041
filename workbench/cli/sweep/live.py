"""What a sweep looks like while it goes: a table of its workers on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

import rich.live
from rich.console import Console, Group
from rich.progress_bar import ProgressBar
from rich.table import Table

from workbench.cli.display import duration, number

if TYPE_CHECKING:
    from workbench.sweep.coordinator import WorkerView
    from workbench.sweep.opening import Opened

__all__ = ["Live"]

PLAIN_SECONDS = 60.0
COUNT_SECONDS = 1.0  # between looks into the ledger


class Live:
    """Draws the workers; use as a context manager."""

    def __init__(self, sweep: Opened, console: Console) -> None:
        self._sweep, self._console = sweep, console
        self._started, self._counted, self._told = time.monotonic(), 0.0, time.monotonic()
        self._first = sweep.desk.tally().done
        self._line = ""
        self._live = rich.live.Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Live:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def show(self, workers: Sequence[WorkerView]) -> None:
        """One look."""
        now = time.monotonic()
        if now - self._counted > COUNT_SECONDS:
            self._counted, self._line = now, self._counts(len(workers))
        if self._live:
            self._live.update(Group(_table(workers), self._line), refresh=True)
        elif now - self._told > PLAIN_SECONDS:
            self._told = now
            self._console.print(f"{self._line}  [dim]{', '.join(map(_told, filter(_busy, workers)))}[/]")

    def _counts(self, workers: int) -> str:
        rows = self._sweep.desk.rows()
        tally = self._sweep.desk.tally(rows)
        parts = [
            f"{tally.done} of {tally.total} trials",
            f"{tally.pruned} pruned" if tally.pruned else "",
            f"{tally.failed} failed" if tally.failed else "",
        ]
        aim = self._sweep.aims[0]
        if len(self._sweep.aims) == 1:
            values = {row.number: row.outcome.values[0] for row in rows if row.outcome and row.outcome.ending == "complete"}
            if values:
                best = (min if aim.direction == "minimize" else max)(values, key=lambda each: values[each])
                parts.append(f"best {aim.metric} [bold]{number(values[best])}[/] (trial {best})")
        done, spent = tally.done - self._first, time.monotonic() - self._started
        if done and not tally.finished:
            parts.append(f"{duration(spent / done * (tally.total - tally.done))} left")
        return "  ".join(filter(None, parts))


def _busy(view: WorkerView) -> bool:
    return view.task is not None and bool(view.progress)


def _told(view: WorkerView) -> str:
    done, total = view.progress.get("done", 0), view.progress.get("total", 0)
    return f"trial {view.task.number if view.task else '-'}: {done:,}/{total:,}"


def _table(workers: Sequence[WorkerView]) -> Table:
    table = Table.grid(padding=(0, 2))
    for view in workers:
        if view.task is None:
            table.add_row("[dim]-[/]", "", "", "")
            continue
        told = view.progress
        what = told.get("what") or told.get("phase", "starting")
        bar = ProgressBar(total=told.get("total") or 1, completed=told.get("done") or 0, width=24)
        pace = told.get("images_per_second")
        speed = f"{pace:.0f} images/s" if pace else ""
        table.add_row(f"trial {view.task.number}", what, bar, f"{told.get('done', 0)}/{told.get('total', 0)}", f"[dim]{speed}[/]")
    return table
