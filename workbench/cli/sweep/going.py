"""A sweep while it goes: the coordinator's stream, drawn."""

from __future__ import annotations

import math
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markup import escape

import workbench as wb
from workbench.cli.signals import stop_on_signals
from workbench.cli.sweep.live import DrawCounts, Live
from workbench.cli.sweep.record import SweepTracking
from workbench.cli.sweep.table import answer_lines, trials_table
from workbench.progress import Stop

LEAVING = 30.0  # seconds for workers that a launcher has started to end by themselves

Status = Literal["done", "stopped", "given up", "out of time"]


def run_sweep(
    sweep: wb.sweep.OpenSweep,
    workers: int,
    minutes: float | None,
    device: str,
    record: SweepTracking,
    stop: Stop,
    console: Console,
) -> Status:
    """Run trials until all are done; how it ended."""

    def tell(text: str) -> None:
        console.print(escape(text))

    source = wb.sweep.Trials(
        sweep.desk,
        sweep.folder.name,
        sweep.owner,
        seconds=None if minutes is None else 60.0 * minutes,
        failures=sweep.recipe.sweep.max_failures if sweep.recipe.sweep else 0,
        trained_once=sweep.trained_once,
        parent=record.parent,
        tell=tell,
    )
    with _stopping(stop, console), Live(sweep, console) as live:
        for moment in wb.sweep.coordinate(
            source, _starter(sweep, workers, device, record.environment), workers, stop, sweep.ledger.seconds / 3.0
        ):
            for line in moment.news:
                tell(line)
            live.show(moment.workers)
    if stop.requested:
        return "stopped"
    if source.given_up:
        return "given up"
    return "done" if sweep.desk.tally().finished else "out of time"


def watch(
    sweep: wb.sweep.OpenSweep,
    launcher: wb.interfaces.Launcher,
    command: Sequence[str],
    environment: Mapping[str, str],
    workers: int,
    stop: Stop,
    console: Console,
) -> Status:
    """Let a launcher start the workers, and look on until all trials are done."""
    known = set(_endings(sweep))

    def news() -> None:
        for number, line in _endings(sweep).items():
            if number not in known:
                known.add(number)
                console.print(escape(line))

    if sweep.desk.tally().finished:
        return "done"
    with _stopping(stop, console), Live(sweep, console) as live:
        launched = launcher.launch(command, environment, workers, sweep.folder.logs)
        console.print(f"started {', '.join(each.name for each in launched)}")
        until = math.inf
        try:
            while not stop.requested and time.monotonic() < until and not all(each.ended() for each in launched):
                news()
                live.show(())
                if until == math.inf and sweep.desk.tally().finished:
                    until = time.monotonic() + LEAVING  # the workers see it too, and end by themselves
                time.sleep(1.0)
            news()
        finally:
            for each in launched:
                each.stop()
    if stop.requested:
        return "stopped"
    if not sweep.desk.tally().finished:
        console.print(f"[yellow]all workers have ended before the trials have; their logs are in {sweep.folder.logs}[/]")
        return "out of time"
    return "done"


def _endings(sweep: wb.sweep.OpenSweep) -> dict[int, str]:
    """How trials have ended, in a line each."""
    return {
        row.number: wb.sweep.describe_outcome(row.number, row.outcome) for row in sweep.desk.rows() if row.outcome is not None
    }


def confirm(sweep: wb.sweep.OpenSweep, workers: int, device: str, stop: Stop, console: Console) -> None:
    """Measure the best trials again, on new images."""
    found = wb.sweep.summarize_sweep(sweep.folder, sweep.recipe, sweep.aims, sweep.axes, sweep.desk.rows())

    def is_here(run: str) -> bool:
        return (wb.runs.RunFolder(sweep.folder.home / "runs" / run).path / "run.json").is_file()

    tasks = wb.sweep.trials_to_confirm(sweep.recipe, found.outcomes, found.ranked, is_here, sweep.trained_once)
    if len(tasks) < 2 or _answered(sweep, tasks):
        return
    draws, samples = len(tasks[0].seeds), tasks[0].samples
    console.print(
        f"measuring trials {', '.join(str(task.number) for task in tasks)} again, on {draws} new draws each: "
        f"{draws * len(tasks)} draws of {samples:,} images"
    )
    source = wb.sweep.Remeasurements(tasks, lambda text: console.print(escape(text)))
    with _stopping(stop, console), Live(sweep, console, DrawCounts(source)) as live:
        for moment in wb.sweep.coordinate(source, _starter(sweep, workers, device), workers, stop, 3600.0):
            live.show(moment.workers)
    if not stop.requested and len(source.values) > 1:
        wb.sweep.answer(sweep.folder, sweep.recipe, sweep.aims[0], source.values)


def _answered(sweep: wb.sweep.OpenSweep, tasks: Sequence[wb.sweep.Task]) -> bool:
    """Whether these very trials have been measured again, and as often."""
    told = wb.sweep.read_answer(sweep.folder)
    if told is None:
        return False
    same = {each["number"] for each in told["trials"]} == {task.number for task in tasks}
    return same and (told["draws"], told["samples"]) == (len(tasks[0].seeds), tasks[0].samples)


def print_end(sweep: wb.sweep.OpenSweep, console: Console, *, stopped: bool) -> None:
    """The table, the answer, and what to do next."""
    found = wb.sweep.summarize_sweep(sweep.folder, sweep.recipe, sweep.aims, sweep.axes, sweep.desk.rows())
    tally = sweep.desk.tally()
    if tally.done:
        console.print(trials_table(found, console, most=12))
    for line in answer_lines(found):
        console.print(line, soft_wrap=not console.is_terminal)
    name = sweep.folder.name
    if stopped or not tally.finished:
        console.print(f"{tally.done} of {tally.total} trials are done; the same command goes on")
    elif found.best is not None:
        console.print(f"the best recipe: [bold]wb sweep best {name} > best.toml[/]")
        console.print(f"all trials: [bold]wb sweep show {name}[/], pictures and curves: [bold]wb ui[/]")


def _stopping(stop: Stop, console: Console) -> AbstractContextManager[None]:
    return stop_on_signals(
        stop, lambda: console.print("[yellow]stopping: trials are kept where they are; once more to leave at once[/]")
    )


def _starter(
    sweep: wb.sweep.OpenSweep, workers: int, device: str, extra: Mapping[str, str] | None = None
) -> Callable[[int], wb.sweep.Process]:
    def start(index: int) -> wb.sweep.Process:
        command = [sys.executable, "-m", "workbench.cli.sweep.piped", str(sweep.folder.path), device]
        # Machines may share the folder, and several coordinators one machine.
        who = f"{socket.gethostname()}-{os.getpid()}-{index}" if sweep.ledger.shared else str(index)
        log = sweep.folder.logs / f"worker-{who}-{time.strftime('%Y%m%d')}.log"
        return wb.sweep.Process(command, Path(log), {**wb.sweep.environment(index, workers), **(extra or {})})

    return start
