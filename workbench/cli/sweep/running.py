"""A sweep while it runs: its messages, its progress, and its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

import workbench as wb
from workbench.cli.signals import stop_on_signals
from workbench.cli.sweep.live import DrawCounts, Live
from workbench.cli.sweep.table import print_result, trials_table
from workbench.progress import Stop


def run_here(
    sweep: wb.sweep.OpenSweep,
    workers: int,
    device: str,
    minutes: float | None,
    tracking: wb.sweep.SweepTracking,
    stop: Stop,
    console: Console,
) -> wb.sweep.Status:
    """Run trials on this machine until all are done; how it ended."""
    with _live(sweep, stop, console) as live:
        return wb.sweep.run_sweep(sweep, workers, device, minutes, tracking, stop, _printer(console), live.show)


def run_elsewhere(
    sweep: wb.sweep.OpenSweep,
    launcher: wb.interfaces.Launcher,
    command: Sequence[str],
    environment: Mapping[str, str],
    workers: int,
    stop: Stop,
    console: Console,
) -> wb.sweep.Status:
    """Let a launcher start the workers, and wait until all trials are done; how it ended."""
    with _live(sweep, stop, console) as live:
        report = _printer(console)
        status = wb.sweep.run_launched(sweep, launcher, command, environment, workers, stop, report, live.show)
    if status == "out of time":
        console.print(f"[yellow]all workers have ended before the trials have; their logs are in {sweep.folder.logs}[/]")
    return status


def confirm(sweep: wb.sweep.OpenSweep, workers: int, device: str, stop: Stop, console: Console) -> None:
    """Measure the best trials again, on new images."""
    source = wb.sweep.confirmation_of(sweep, _printer(console))
    if source is None:
        return
    numbers, draws = ", ".join(map(str, source.numbers)), source.images // source.samples
    console.print(
        f"measuring trials {numbers} again, on {draws // len(source.numbers)} new draws each: "
        f"{draws} draws of {source.samples:,} images"
    )
    with _live(sweep, stop, console, DrawCounts(source)) as live:
        wb.sweep.confirm_best(sweep, source, workers, device, stop, live.show)


def print_end(sweep: wb.sweep.OpenSweep, console: Console, *, stopped: bool) -> None:
    """Print the table, the result, and what to do next."""
    summary, tally = sweep.summary(), sweep.queue.tally()
    if tally.done:
        console.print(trials_table(summary, console, most=12))
    print_result(summary, console)
    name = sweep.folder.name
    if stopped or not tally.finished:
        console.print(f"{tally.done} of {tally.total} trials are done; the same command continues the sweep")
    elif summary.best is not None:
        console.print(f"the best recipe: [bold]wb sweep best {name} > best.toml[/]")
        console.print(f"all trials: [bold]wb sweep show {name}[/], images and curves: [bold]wb ui[/]")


def _printer(console: Console) -> Callable[[str], None]:
    return lambda text: console.print(escape(text))


@contextmanager
def _live(sweep: wb.sweep.OpenSweep, stop: Stop, console: Console, counts: DrawCounts | None = None) -> Iterator[Live]:
    def report() -> None:
        console.print("[yellow]stopping: interrupted trials can be resumed (Ctrl-C again to abort now)[/]")

    with stop_on_signals(stop, report), Live(sweep, console, counts) as live:
        yield live
