"""The jobs of a coordinator: the trials of a sweep, and then the confirmation of the best of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from workbench.sweep.coordinator import Job, WorkerView
from workbench.sweep.ledger import TrialOutcome
from workbench.sweep.trial_queue import MAX_CRASHES, TrialQueue
from workbench.sweep.trial_recipe import run_id
from workbench.sweep.wire import Task, outcome_from_dict


def describe_outcome(number: int, outcome: TrialOutcome) -> str:
    """The outcome of a trial as a line of text."""
    text = f"trial {number}: {outcome.ending} {', '.join(f'{value:.5g}' for value in outcome.values)}".rstrip()
    if outcome.ending != "failed":
        return text
    reason = next((line for line in reversed(outcome.error.splitlines()) if line.strip()), "")
    return f"{text} ({reason.strip():.200}); see runs/{outcome.run}/traceback.txt"


class TrialSource:
    """The trials of a queue, leased by `owner`. No new trial starts after `seconds`, or after more than `failures` failed trials.

    `parent` is where the sweep is recorded, for the trials. `report` is called with a line for each outcome.
    """

    def __init__(
        self,
        queue: TrialQueue,
        sweep: str,
        owner: str,
        *,
        seconds: float | None,
        failures: int,
        trained_once: bool,
        parent: Mapping[str, str],
        report: Callable[[str], None],
    ) -> None:
        self._queue = queue
        self._sweep = sweep
        self._owner = owner
        self._report = report
        self._until = None if seconds is None else time.monotonic() + seconds
        self._max_failures = failures
        self._trained_by = run_id(sweep, 0) if trained_once else ""
        self._parent = dict(parent)
        self.has_failed = False

    @property
    def is_out_of_time(self) -> bool:
        """True if the sweep's minutes are over."""
        return self._until is not None and time.monotonic() > self._until

    def next_job(self) -> Job | None:
        """The next trial, with its lease."""
        lease = self._queue.next_trial(self._owner, new=not (self.is_out_of_time or self.has_failed))
        if lease is None:
            return None
        task = Task("trial", lease.number, run_id(self._sweep, lease.number), lease.overrides, self._trained_by, self._parent)
        return Job(task, lease)

    def is_finished(self) -> bool:
        """True if all trials are done, or no more are to start and none is running or waiting."""
        tally = self._queue.tally()
        return tally.finished or ((self.is_out_of_time or self.has_failed) and not tally.running and not tally.waiting)

    def record_result(self, job: Job, message: Mapping[str, Any]) -> None:
        """Record the outcome."""
        outcome = outcome_from_dict(message["outcome"])
        if not self._queue.finish(job.ticket, outcome):
            return
        if outcome.ending == "failed":
            self._check_failures()
        self._report(describe_outcome(job.task.number, outcome))

    def report(self, job: Job, step: int, value: float) -> bool:
        """Record an intermediate value; True if the pruner ends the trial."""
        return self._queue.report(job.ticket, step, value)

    def release(self, job: Job) -> None:
        """Return the trial to the queue."""
        self._queue.release(job.ticket)

    def record_crash(self, job: Job, reason: str) -> None:
        """Return the trial to the queue, or let it fail after too many crashes."""
        if self._queue.record_crash(job.ticket, reason, job.task.run):
            self._report(f"trial {job.task.number}: failed, too many workers crashed during it")
            self._check_failures()

    def renew(self, jobs: Sequence[Job]) -> list[Job]:
        """Renew the leases; return the jobs whose lease was lost."""
        lost = self._queue.renew([job.ticket for job in jobs])
        return [job for job in jobs if job.ticket in lost]

    def _check_failures(self) -> None:
        tally = self._queue.tally()
        nothing_trained = bool(self._trained_by) and tally.complete == 0  # the one training failed: there is nothing to evaluate
        self.has_failed = self.has_failed or tally.failed > self._max_failures or nothing_trained


class ConfirmationSource:
    """The best trials, each to be measured on new draws. `report` is called with a line for each of them."""

    def __init__(self, tasks: Sequence[Task], report: Callable[[str], None]) -> None:
        self._waiting, self._left, self._report = list(tasks), len(tasks), report
        self._images_ended = 0
        self.numbers = [task.number for task in tasks]  # of the trials
        self.samples = tasks[0].samples  # images of a draw
        self.images = sum(map(_images, tasks))
        self._crashes = dict.fromkeys(self.numbers, 0)
        self.values: dict[int, list[float]] = {}

    def next_job(self) -> Job | None:
        """The next trial to measure."""
        return Job(self._waiting.pop(0), None) if self._waiting else None

    def is_finished(self) -> bool:
        """True if all are measured, or could not be."""
        return self._left == 0

    def record_result(self, job: Job, message: Mapping[str, Any]) -> None:
        """Record the values."""
        self._left -= 1
        self._images_ended += _images(job.task)
        if "values" in message:
            values = self.values[job.task.number] = list(message["values"])
            self._report(f"trial {job.task.number} again: {fmean(values):.5g}, mean of {len(values)} draws")
        else:
            lines = str(message.get("error", "")).strip().splitlines()
            self._report(f"trial {job.task.number} could not be measured again: {lines[-1] if lines else 'no reason given'}")

    def images_done(self, workers: Sequence[WorkerView]) -> int:
        """Images drawn so far, of `images`."""
        return self._images_ended + sum(view.progress.get("done", 0) for view in workers if view.task is not None)

    def report(self, job: Job, step: int, value: float) -> bool:
        """False: nothing is pruned here."""
        return False

    def release(self, job: Job) -> None:
        """Measure the trial later; finished draws are kept in the run's folder."""
        self._waiting.append(job.task)

    def record_crash(self, job: Job, reason: str) -> None:
        """Measure the trial again, up to a number of crashes; finished draws are kept."""
        self._crashes[job.task.number] += 1
        if self._crashes[job.task.number] > MAX_CRASHES:
            self.record_result(job, {"error": reason})
        else:
            self._waiting.append(job.task)

    def renew(self, jobs: Sequence[Job]) -> list[Job]:
        """An empty list: these jobs have no leases."""
        return []


def _images(task: Task) -> int:
    return len(task.seeds) * task.samples
