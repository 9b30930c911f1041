"""What a coordinator gives out: the trials of a sweep, and then the best of them to be measured again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from workbench.sweep.coordinator import Job, WorkerView
from workbench.sweep.desk import MAX_DEATHS, Desk
from workbench.sweep.ledger import TrialOutcome
from workbench.sweep.trial_recipe import run_id
from workbench.sweep.wire import Task, outcome_from_dict


def describe_outcome(number: int, outcome: TrialOutcome) -> str:
    """How a trial ended, in a line."""
    text = f"trial {number}: {outcome.ending} {', '.join(f'{each:.5g}' for each in outcome.values)}".rstrip()
    if outcome.ending != "failed":
        return text
    reason = next((line for line in reversed(outcome.error.splitlines()) if line.strip()), "")
    return f"{text} ({reason.strip():.200}); see runs/{outcome.run}/traceback.txt"


class Trials:
    """The trials of a desk. `owner` is who holds the leases; after `seconds` no new trial is begun; `failures` are the most that are put up with."""

    def __init__(
        self,
        desk: Desk,
        sweep: str,
        owner: str,
        *,
        seconds: float | None,
        failures: int,
        trained_once: bool,
        parent: Mapping[str, str],
        tell: Callable[[str], None],
    ) -> None:
        self._desk, self._sweep, self._owner, self._tell = desk, sweep, owner, tell
        self._until = None if seconds is None else time.monotonic() + seconds
        self._failures, self._trained_by = failures, run_id(sweep, 0) if trained_once else ""
        self._parent = dict(parent)
        self.given_up = False

    @property
    def out_of_time(self) -> bool:
        """Whether the sweep's minutes are over."""
        return self._until is not None and time.monotonic() > self._until

    def next(self) -> Job | None:
        """The next trial, with its lease."""
        lease = self._desk.next(self._owner, new=not (self.out_of_time or self.given_up))
        if lease is None:
            return None
        task = Task("trial", lease.number, run_id(self._sweep, lease.number), lease.overrides, self._trained_by, self._parent)
        return Job(task, lease)

    def finished(self) -> bool:
        """All trials done, or no more of them wanted."""
        tally = self._desk.tally()
        return tally.finished or ((self.out_of_time or self.given_up) and not tally.running and not tally.waiting)

    def ended(self, job: Job, message: Mapping[str, Any]) -> None:
        """Write the outcome down."""
        outcome = outcome_from_dict(message["outcome"])
        if not self._desk.finish(job.ticket, outcome):
            return
        if outcome.ending == "failed":
            self._count_failures()
        self._tell(describe_outcome(job.task.number, outcome))

    def report(self, job: Job, step: int, value: float) -> bool:
        """Ask the pruner."""
        return self._desk.report(job.ticket, step, value)

    def interrupted(self, job: Job) -> None:
        """Give the trial back."""
        self._desk.give_back(job.ticket)

    def died(self, job: Job, words: str) -> None:
        """Give the trial back, or up."""
        if self._desk.lost_worker(job.ticket, words, job.task.run):
            self._tell(f"trial {job.task.number}: failed, too many workers died over it")
            self._count_failures()

    def hold(self, jobs: Sequence[Job]) -> list[Job]:
        """Renew the leases."""
        lost = self._desk.renew([job.ticket for job in jobs])
        return [job for job in jobs if job.ticket in lost]

    def _count_failures(self) -> None:
        tally = self._desk.tally()
        # Without the one training there is nothing to evaluate.
        hopeless = bool(self._trained_by) and tally.complete == 0
        self.given_up = self.given_up or tally.failed > self._failures or hopeless


class Remeasurements:
    """The best trials, each to be measured on new draws."""

    def __init__(self, tasks: Sequence[Task], tell: Callable[[str], None]) -> None:
        self._waiting, self._left, self._tell = list(tasks), len(tasks), tell
        self._images_ended = 0
        self.samples = tasks[0].samples  # images of a draw
        self.images = sum(map(_images, tasks))
        self._deaths = dict.fromkeys((task.number for task in tasks), 0)
        self.values: dict[int, list[float]] = {}

    def next(self) -> Job | None:
        """One of them."""
        return Job(self._waiting.pop(0), None) if self._waiting else None

    def finished(self) -> bool:
        """All measured, or given up."""
        return self._left == 0

    def ended(self, job: Job, message: Mapping[str, Any]) -> None:
        """Keep the values."""
        self._left -= 1
        self._images_ended += _images(job.task)
        if "values" in message:
            values = self.values[job.task.number] = list(message["values"])
            self._tell(f"trial {job.task.number} again: {fmean(values):.5g}, mean of {len(values)} draws")
        else:
            reason = str(message.get("error", "")).strip().splitlines()
            self._tell(f"trial {job.task.number} could not be measured again: {reason[-1] if reason else 'no reason was given'}")

    def images_done(self, workers: Sequence[WorkerView]) -> int:
        """Images drawn so far, of `images`."""
        return self._images_ended + sum(view.progress.get("done", 0) for view in workers if view.task is not None)

    def report(self, job: Job, step: int, value: float) -> bool:
        """Nothing is pruned here."""
        return False

    def interrupted(self, job: Job) -> None:
        """What has been measured is kept in the run's folder, for the next time."""
        self._waiting.append(job.task)

    def died(self, job: Job, words: str) -> None:
        """Once more, and not for ever; what has been measured is not measured again."""
        self._deaths[job.task.number] += 1
        if self._deaths[job.task.number] > MAX_DEATHS:
            self.ended(job, {"error": words})
        else:
            self._waiting.append(job.task)

    def hold(self, jobs: Sequence[Job]) -> list[Job]:
        """Nobody else wants them."""
        return []


def _images(task: Task) -> int:
    return len(task.seeds) * task.samples
