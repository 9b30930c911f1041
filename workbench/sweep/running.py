"""Running a sweep to its end: its trials by worker processes or a launcher, then its best trials again."""

from __future__ import annotations

import math
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from workbench.interfaces import Launcher
from workbench.progress import Stop
from workbench.runs import RunFolder
from workbench.sweep.confirmation import read_confirmation, write_confirmation
from workbench.sweep.coordinator import WorkerView, coordinate
from workbench.sweep.opening import OpenSweep
from workbench.sweep.processes import Process, worker_environment
from workbench.sweep.remeasuring import confirmation_tasks
from workbench.sweep.sources import ConfirmationSource, TrialSource, describe_outcome
from workbench.sweep.tracking import SweepTracking
from workbench.sweep.wire import Task

WORKER = "workbench.cli.sweep.piped"
END_SECONDS = 30.0  # for launched workers to end by themselves
POLL_SECONDS = 1.0
NO_LEASE = 3600.0  # seconds between renewals of jobs that have no leases

Status = Literal["done", "stopped", "failed", "out of time"]
Report = Callable[[str], None]  # is called with a line of text
Show = Callable[[Sequence[WorkerView]], None]  # is called a few times a second


def run_sweep(
    sweep: OpenSweep,
    workers: int,
    device: str,
    minutes: float | None,
    tracking: SweepTracking,
    stop: Stop,
    report: Report,
    show: Show,
) -> Status:
    """Run trials in `workers` processes of this machine until all are done; how it ended. No trial starts after `minutes`."""
    source = TrialSource(
        sweep.queue,
        sweep.folder.name,
        sweep.owner,
        seconds=None if minutes is None else 60.0 * minutes,
        failures=sweep.recipe.sweep.max_failures if sweep.recipe.sweep else 0,
        trained_once=sweep.trained_once,
        parent=tracking.parent,
        report=report,
    )
    start = worker_starter(sweep, workers, device, tracking.environment)
    for moment in coordinate(source, start, workers, stop, sweep.ledger.seconds / 3.0):
        for line in moment.news:
            report(line)
        show(moment.workers)
    if stop.requested:
        return "stopped"
    if source.has_failed:
        return "failed"
    return "done" if sweep.queue.tally().finished else "out of time"


def run_launched(
    sweep: OpenSweep,
    launcher: Launcher,
    command: Sequence[str],
    environment: Mapping[str, str],
    workers: int,
    stop: Stop,
    report: Report,
    show: Show,
) -> Status:
    """Let a launcher start the workers, and wait until all trials are done; how it ended."""
    if sweep.queue.tally().finished:
        return "done"
    new_outcomes = _new_outcomes(sweep)
    launched = launcher.launch(command, environment, workers, sweep.folder.logs)
    report(f"started {', '.join(worker.name for worker in launched)}")
    until = math.inf
    try:
        while not stop.requested and time.monotonic() < until and not all(worker.ended() for worker in launched):
            for line in new_outcomes():
                report(line)
            show(())
            if until == math.inf and sweep.queue.tally().finished:
                until = time.monotonic() + END_SECONDS  # the workers see it too, and end by themselves
            time.sleep(POLL_SECONDS)
        for line in new_outcomes():
            report(line)
    finally:
        for worker in launched:
            worker.stop()
    if stop.requested:
        return "stopped"
    return "done" if sweep.queue.tally().finished else "out of time"


def confirmation_of(sweep: OpenSweep, report: Report) -> ConfirmationSource | None:
    """The measurements that confirm the best trials; None if there is nothing to compare, or it has been measured already."""
    summary = sweep.summary()

    def is_here(run: str) -> bool:
        return (RunFolder(sweep.folder.home / "runs" / run).path / "run.json").is_file()

    tasks = confirmation_tasks(sweep.recipe, summary.outcomes, summary.ranked, is_here, sweep.trained_once)
    return None if len(tasks) < 2 or _is_confirmed(sweep, tasks) else ConfirmationSource(tasks, report)


def confirm_best(sweep: OpenSweep, source: ConfirmationSource, workers: int, device: str, stop: Stop, show: Show) -> None:
    """Measure the best trials again, on new images, and write down how they compare."""
    for moment in coordinate(source, worker_starter(sweep, workers, device), workers, stop, NO_LEASE):
        show(moment.workers)
    if not stop.requested and len(source.values) > 1:
        write_confirmation(sweep.folder, sweep.recipe, sweep.targets[0], source.values)


def worker_starter(
    sweep: OpenSweep, workers: int, device: str, extra: Mapping[str, str] | None = None
) -> Callable[[int], Process]:
    """A function that starts the worker process of an index; `extra` is added to its environment."""

    def start(index: int) -> Process:
        command = [sys.executable, "-m", WORKER, str(sweep.folder.path), device]
        # Several machines may share the folder, and several coordinators one machine.
        name = f"{socket.gethostname()}-{os.getpid()}-{index}" if sweep.ledger.shared else str(index)
        log = sweep.folder.logs / f"worker-{name}-{time.strftime('%Y%m%d')}.log"
        return Process(command, log, {**worker_environment(index, workers), **(extra or {})})

    return start


def _new_outcomes(sweep: OpenSweep) -> Callable[[], Iterator[str]]:
    """A function that yields a line for each trial that has ended since its last call, or since now."""
    reported = {row.number for row in sweep.queue.rows() if row.outcome is not None}

    def lines() -> Iterator[str]:
        for row in sweep.queue.rows():
            if row.outcome is not None and row.number not in reported:
                reported.add(row.number)
                yield describe_outcome(row.number, row.outcome)

    return lines


def _is_confirmed(sweep: OpenSweep, tasks: Sequence[Task]) -> bool:
    """True if exactly these trials have been measured again, on as many draws and images."""
    confirmed = read_confirmation(sweep.folder)
    if confirmed is None:
        return False
    same = {trial["number"] for trial in confirmed["trials"]} == {task.number for task in tasks}
    return same and (confirmed["draws"], confirmed["samples"]) == (len(tasks[0].seeds), tasks[0].samples)
