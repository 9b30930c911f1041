"""Record the progress of a run in its folder and with its tracker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import TrackingError
from workbench.faults import fault_point
from workbench.files import atomic_write, path_inside, write_bytes, write_json
from workbench.interfaces import NullTracker, RunStatus, Tracker
from workbench.journal import Journal
from workbench.progress import Progress
from workbench.runs.durations import measure_durations
from workbench.runs.folder import RunFolder
from workbench.training import AVERAGE, STATE, newest_folder

if TYPE_CHECKING:
    from PIL.Image import Image


def record_run(stream: Iterator[Progress], run: RunFolder, tracker: Tracker, warn: Callable[[str], None]) -> Iterator[Progress]:
    """Pass `stream` on, record its numbers and images, and end the run with its status.

    A number that was recorded before the run was killed, and comes again after it was resumed, is kept once. A tracker that fails is reported
    through `warn` once and dropped; the folder keeps everything.
    """
    safe = SafeTracker(tracker, warn)
    status: RunStatus = "FAILED"
    journal, step = run.journal(), 0
    try:
        journal.event("began" if not journal.events() else "went on", int(run.info().get("step", 0)))
        for progress in stream:
            step = progress.step
            if progress.phase == "finished":
                progress = replace(progress, metrics={**progress.metrics, **measure_durations(run).metrics()})
                for path in final_weight_files(run):
                    safe.artifact(path, "checkpoint")
            _record(progress, run, journal, safe)
            for warning in progress.warnings:
                warn(warning)
            if progress.phase in ("finished", "killed"):
                status = "FINISHED" if progress.phase == "finished" else "KILLED"
            fault_point("step done")
            yield progress
    except (KeyboardInterrupt, GeneratorExit):
        status = "KILLED"
        raise
    finally:
        fault_point("run ended")
        run.update(status=status)
        safe.finish(status)
        journal.event(status.lower(), step)
        journal.close()


def final_weight_files(run: RunFolder) -> list[Path]:
    """The files that sampling needs: the averaged weights of the newest checkpoint, without the optimizer's state."""
    folder = newest_folder(run.checkpoints)
    return [] if folder is None else [folder / AVERAGE, folder / STATE]


class SafeTracker:
    """A tracker that never raises TrackingError: the first one is reported through `warn`, and nothing is tracked after it."""

    def __init__(self, inner: Tracker, warn: Callable[[str], None]) -> None:
        self._inner, self._warn = inner, warn

    @contextmanager
    def _reported(self) -> Iterator[Tracker]:
        try:
            yield self._inner
        except TrackingError as error:
            self._warn(f"tracking has stopped, the run continues and its folder keeps everything: {error}")
            self._inner = NullTracker()

    def params(self, params: Mapping[str, object]) -> None:
        with self._reported() as inner:
            inner.params(params)

    def tags(self, tags: Mapping[str, str]) -> None:
        with self._reported() as inner:
            inner.tags(tags)

    def dataset(self, name: str, source: str, digest: str, context: str) -> None:
        with self._reported() as inner:
            inner.dataset(name, source, digest, context)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        with self._reported() as inner:
            inner.metrics(values, step)

    def image(self, key: str, image: Image, step: int) -> None:
        with self._reported() as inner:
            inner.image(key, image, step)

    def artifact(self, path: Path, folder: str = "") -> None:
        with self._reported() as inner:
            inner.artifact(path, folder)

    def finish(self, status: RunStatus) -> None:
        with self._reported() as inner:
            inner.finish(status)


def _record(progress: Progress, run: RunFolder, journal: Journal, tracker: Tracker) -> None:
    if progress.metrics:
        journal.numbers_at(progress.step, progress.metrics, progress.cards)
        tracker.metrics(progress.metrics, progress.step)
    if progress.cards:
        write_json(run.path / "cards.json", run.final()[1])
        tracker.artifact(run.path / "cards.json")
    for key, image in progress.pictures.items():
        with atomic_write(path_inside(run.pictures, f"{key}_{progress.step:08d}.png")) as unfinished:
            image.save(unfinished)
        tracker.image(key, image, progress.step)
    for name, data in progress.files.items():
        path = path_inside(run.pictures, name)
        write_bytes(path, data)
        tracker.artifact(path, "pictures")
    if progress.checkpoint or progress.phase in ("finished", "killed"):
        run.update(step=progress.step)
