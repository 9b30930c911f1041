"""The coordinator: hands jobs to worker processes, receives their results and passes them to the source of the jobs."""

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

TICK_SECONDS = 0.25
IDLE_SECONDS = 1.0  # between requests for a job if there was none
STOP_SECONDS = 60.0  # for a worker to stop, after which it is killed
ABANDON_SECONDS = 5.0  # the same for a worker with a job, if the coordinator itself ends
MAX_FAILED_STARTS = 3  # workers in a row that may exit in one slot before they were ready


@dataclass(frozen=True)
class Job:
    """A task, and the source's own reference to it."""

    task: Task
    ticket: Any


class Source(Protocol):
    """Provides jobs and receives their results."""

    def next_job(self) -> Job | None:
        """A job, or None if there is none at the moment."""
        ...

    def is_finished(self) -> bool:
        """True if there will be no more jobs."""
        ...

    def record_result(self, job: Job, message: Mapping[str, Any]) -> None:
        """Record the result of a job, as its worker sent it."""
        ...

    def report(self, job: Job, step: int, value: float) -> bool:
        """Record an intermediate value; True if the job should be pruned."""
        ...

    def release(self, job: Job) -> None:
        """Take back a job that was interrupted on purpose, to be resumed later."""
        ...

    def record_crash(self, job: Job, reason: str) -> None:
        """Take back a job whose worker crashed."""
        ...

    def renew(self, jobs: Sequence[Job]) -> list[Job]:
        """Renew the leases of `jobs`; return those that were lost."""
        ...


@dataclass
class WorkerView:
    """A worker's task and progress, for display."""

    task: Task | None = None
    since: float = 0.0
    progress: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Moment:
    """The state of the workers at a moment; `news` are lines of text about changes since the last one."""

    workers: tuple[WorkerView, ...]
    news: tuple[str, ...]


@dataclass
class _Worker:
    index: int
    process: Process
    job: Job | None = None
    lost: bool = False
    view: WorkerView = field(default_factory=WorkerView)


def coordinate(source: Source, start: Callable[[int], Process], workers: int, stop: Stop, renew_every: float) -> Iterator[Moment]:
    """Keep `workers` processes busy until the source has no more jobs, or `stop` is requested.

    Yields a few times a second; leases are renewed every `renew_every` seconds. When the generator ends, for whatever reason, no worker
    is left. Raises SweepError if no worker starts.
    """
    pool = _WorkerPool(source, start, workers)
    renewed = time.monotonic()
    try:
        while True:
            if not stop.requested:
                pool.assign_jobs()
            elif pool.stop_workers():
                return
            if source.is_finished() and not pool.is_busy:
                return
            pool.receive()
            if time.monotonic() - renewed > renew_every:
                renewed = time.monotonic()
                pool.renew_leases()
            yield pool.moment()
    finally:
        pool.close()


class _WorkerPool:
    """Up to `size` workers, in slots with an index each."""

    def __init__(self, source: Source, start: Callable[[int], Process], size: int) -> None:
        self._source, self._start, self._size = source, start, size
        self._selector = selectors.DefaultSelector()
        self._workers: dict[int, _Worker] = {}
        self._news: list[str] = []
        self._failed_starts = dict.fromkeys(range(size), 0)
        self._idle_until = 0.0
        self._stopping_since: float | None = None

    @property
    def is_busy(self) -> bool:
        return any(worker.job for worker in self._workers.values())

    def assign_jobs(self) -> None:
        """Give jobs to idle workers, and start workers in free slots if there are jobs for them."""
        if time.monotonic() < self._idle_until:
            return
        for index in self._usable_slots():
            worker = self._workers.get(index)
            if worker is not None and (worker.job or not worker.process.ready):
                continue
            job = self._source.next_job()
            if job is None:
                self._idle_until = time.monotonic() + IDLE_SECONDS
                return
            if worker is None:
                worker = self._start_worker(index)
            worker.job, worker.lost = job, False
            worker.view = WorkerView(job.task, time.monotonic())
            worker.process.send(job.task.message())

    def receive(self) -> None:
        """Handle the messages of all workers; waits at most TICK_SECONDS for one."""
        for key, _ in self._selector.select(TICK_SECONDS):
            worker: _Worker = key.data
            messages, ended = worker.process.messages()
            for message in messages:
                self._handle(worker, message)
            if ended:
                self._remove(worker)
        if not self._workers:
            time.sleep(TICK_SECONDS)

    def renew_leases(self) -> None:
        """Renew the leases of all jobs; workers whose job was lost to another machine are stopped."""
        jobs = {worker.index: worker.job for worker in self._workers.values() if worker.job and not worker.lost}
        lost = self._source.renew(list(jobs.values()))
        for index, job in jobs.items():
            if job in lost:
                self._workers[index].lost = True
                self._workers[index].process.stop()

    def stop_workers(self) -> bool:
        """Request all workers to stop after a last checkpoint, and kill those that take too long; True once none has a job."""
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()
            for worker in self._workers.values():
                worker.process.stop()
        elif time.monotonic() - self._stopping_since > STOP_SECONDS:
            for worker in self._workers.values():
                worker.process.popen.kill()
        return not self.is_busy

    def moment(self) -> Moment:
        views = tuple(self._workers[index].view if index in self._workers else WorkerView() for index in range(self._size))
        news, self._news = tuple(self._news), []
        return Moment(views, news)

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers.values():
            if worker.job is not None:
                worker.process.stop()
        for worker in list(self._workers.values()):
            worker.process.close(STOP_SECONDS if worker.job is None else ABANDON_SECONDS)
        self._selector.close()

    def _usable_slots(self) -> list[int]:
        return [index for index, failures in self._failed_starts.items() if failures < MAX_FAILED_STARTS]

    def _start_worker(self, index: int) -> _Worker:
        worker = self._workers[index] = _Worker(index, self._start(index))
        self._selector.register(worker.process.fileno(), selectors.EVENT_READ, worker)
        return worker

    def _handle(self, worker: _Worker, message: Mapping[str, Any]) -> None:
        kind = message["kind"]
        if kind == "ready":
            worker.process.ready, self._failed_starts[worker.index] = True, 0
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
                self._news.append(f"trial {job.task.number} was taken over by another machine; its result here does not count")
            elif kind == "ended":
                self._source.record_result(job, message)
            else:
                self._source.release(job)

    def _remove(self, worker: _Worker) -> None:
        """Remove a worker that has ended."""
        self._selector.unregister(worker.process.fileno())
        del self._workers[worker.index]
        reason = worker.process.describe_end()
        worker.process.close(0.0)
        self._idle_until = 0.0
        if not worker.process.ready:
            self._count_failed_start(worker, reason)
        elif worker.job is not None and not worker.lost:
            first_line = reason.splitlines()[0].partition(";")[0]
            self._news.append(f"the worker of trial {worker.job.task.number} ended: {first_line}")
            self._source.record_crash(worker.job, reason)

    def _count_failed_start(self, worker: _Worker, reason: str) -> None:
        if worker.job is not None:
            self._source.release(worker.job)  # the trial was not started, so it is not the cause
        self._failed_starts[worker.index] += 1
        if not self._usable_slots():
            raise SweepError(f"workers do not start: {reason.rstrip()}")
        if worker.index not in self._usable_slots():
            last_line = reason.rstrip().splitlines()[-1]
            self._news.append(f"worker {worker.index} does not start, the others continue without it: {last_line}")
