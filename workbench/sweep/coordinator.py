"""The one process that gives out work, hears what comes of it, and writes it down."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from workbench.errors import SweepError
from workbench.progress import Stop
from workbench.sweep.processes import Process
from workbench.sweep.wire import Task

TICK = 0.25
IDLE = 1.0  # seconds between questions for work when there was none
PATIENCE = 60.0  # seconds for a worker to stop, after which it is killed
FALSE_STARTS = 3  # workers in a row that may die in one place before they were ready


@dataclass(frozen=True)
class Job:
    """A task, and what its source remembers it by."""

    task: Task
    ticket: Any


class Source(Protocol):
    """Where jobs come from and their results go."""

    def next(self) -> Job | None:
        """A job, or None if there is none now."""
        ...

    def finished(self) -> bool:
        """Whether there will be none any more."""
        ...

    def ended(self, job: Job, message: Mapping[str, Any]) -> None:
        """A result."""
        ...

    def report(self, job: Job, step: int, value: float) -> bool:
        """An intermediate value; whether to end the job for it."""
        ...

    def interrupted(self, job: Job) -> None:
        """Stopped on purpose, to be gone on with later."""
        ...

    def died(self, job: Job, words: str) -> None:
        """Its worker is gone."""
        ...

    def hold(self, jobs: Sequence[Job]) -> list[Job]:
        """These are still being worked on; those that belong to somebody else by now come back."""
        ...


@dataclass
class WorkerView:
    """What a worker is doing, to be looked at."""

    task: Task | None = None
    since: float = 0.0
    progress: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Moment:
    """One look at the workers; `news` says what has changed since the last one, for people."""

    workers: tuple[WorkerView, ...]
    news: tuple[str, ...]


@dataclass
class _Worker:
    index: int
    process: Process
    job: Job | None = None
    lost: bool = False
    view: WorkerView = field(default_factory=WorkerView)


def coordinate(source: Source, start: Callable[[int], Process], workers: int, stop: Stop, hold_every: float) -> Iterator[Moment]:
    """Keep `workers` processes busy until the source has no more, or `stop` is requested; yields a few times a second.

    Whatever ends the generator, no worker outlives it.
    """
    crew = _Crew(source, start, workers)
    held = time.monotonic()
    try:
        while True:
            if not stop.requested:
                crew.employ()
            elif crew.leave():
                return
            if source.finished() and not crew.busy:
                return
            crew.listen()
            if time.monotonic() - held > hold_every:
                held = time.monotonic()
                crew.hold()
            yield crew.moment()
    finally:
        crew.dismiss()


class _Crew:
    def __init__(self, source: Source, start: Callable[[int], Process], wanted: int) -> None:
        self._source, self._start, self._wanted = source, start, wanted
        self._selector = selectors.DefaultSelector()
        self._workers: dict[int, _Worker] = {}
        self._news: list[str] = []
        self._false_starts = dict.fromkeys(range(wanted), 0)
        self._idle_until, self._leaving = 0.0, 0.0

    @property
    def busy(self) -> bool:
        return any(worker.job for worker in self._workers.values())

    def employ(self) -> None:
        """Give work to whoever has none, and hire where a place is free."""
        if time.monotonic() < self._idle_until:
            return
        for index in self._places():
            worker = self._workers.get(index)
            if worker is not None and (worker.job or not worker.process.ready):
                continue
            job = self._source.next()
            if job is None:
                self._idle_until = time.monotonic() + IDLE
                return
            if worker is None:
                worker = self._hired(index)
            worker.job, worker.lost = job, False
            worker.view = WorkerView(job.task, time.monotonic())
            worker.process.send(job.task.message())

    def _places(self) -> list[int]:
        """Where workers start, or have not been tried often enough."""
        return [index for index, deaths in self._false_starts.items() if deaths < FALSE_STARTS]

    def _hired(self, index: int) -> _Worker:
        worker = self._workers[index] = _Worker(index, self._start(index))
        self._selector.register(worker.process.fileno(), selectors.EVENT_READ, worker)
        return worker

    def listen(self) -> None:
        for key, _ in self._selector.select(TICK):
            worker: _Worker = key.data
            messages, gone = worker.process.messages()
            for message in messages:
                self._heard(worker, message)
            if gone:
                self._died(worker)
        if not self._workers:
            time.sleep(TICK)

    def _heard(self, worker: _Worker, message: Mapping[str, Any]) -> None:
        kind = message["kind"]
        if kind == "ready":
            worker.process.ready, self._false_starts[worker.index] = True, 0
        elif worker.job is None:
            return
        elif kind == "progress":
            worker.view.progress = message
        elif kind == "report":
            worker.process.send({"prune": self._source.report(worker.job, message["step"], message["value"])})
        else:
            job, worker.job, worker.view = worker.job, None, WorkerView()
            self._idle_until = 0.0
            if worker.lost:
                self._news.append(
                    f"trial {job.task.number} belongs to another machine by now; what came of it here does not count"
                )
            elif kind == "ended":
                self._source.ended(job, message)
            else:
                self._source.interrupted(job)

    def _died(self, worker: _Worker) -> None:
        self._selector.unregister(worker.process.fileno())
        del self._workers[worker.index]
        words = worker.process.last_words()
        worker.process.close(0.0)
        self._idle_until = 0.0
        if not worker.process.ready:
            self._did_not_start(worker, words)
        elif worker.job is not None and not worker.lost:
            self._news.append(f"the worker of trial {worker.job.task.number} is gone: {words.splitlines()[0].partition(';')[0]}")
            self._source.died(worker.job, words)

    def _did_not_start(self, worker: _Worker, words: str) -> None:
        if worker.job is not None:
            self._source.interrupted(worker.job)  # the trial was not touched, and is not to blame
        self._false_starts[worker.index] += 1
        if not self._places():
            raise SweepError(f"workers do not start: {words.rstrip()}")
        if worker.index not in self._places():
            self._news.append(
                f"worker {worker.index} does not start, and the others go on without it: {words.rstrip().splitlines()[-1]}"
            )

    def hold(self) -> None:
        jobs = {worker.index: worker.job for worker in self._workers.values() if worker.job and not worker.lost}
        lost = self._source.hold(list(jobs.values()))
        for index, job in jobs.items():
            if job in lost:
                self._workers[index].lost = True
                self._workers[index].process.stop()

    def leave(self) -> bool:
        """Ask all to stop, and wait for their last checkpoints; whether all have."""
        if not self._leaving:
            self._leaving = time.monotonic()
            for worker in self._workers.values():
                worker.process.stop()
        elif time.monotonic() - self._leaving > PATIENCE:
            for worker in self._workers.values():
                worker.process.popen.kill()
        return not self.busy

    def moment(self) -> Moment:
        views = tuple(self._workers[index].view if index in self._workers else WorkerView() for index in range(self._wanted))
        news, self._news = tuple(self._news), []
        return Moment(views, news)

    def dismiss(self) -> None:
        for worker in self._workers.values():
            if worker.job is not None:
                worker.process.stop()
        for worker in list(self._workers.values()):
            worker.process.close(PATIENCE if worker.job is None else 5.0)
        self._selector.close()
