"""The stream of a run, written down on its way: run folder and tracker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from workbench.errors import TrackingError
from workbench.faults import fault_point
from workbench.files import atomic_write, path_inside, write_bytes, write_json
from workbench.interfaces import NullTracker, RunStatus, Tracker
from workbench.journal import Journal
from workbench.progress import Progress
from workbench.runs.durations import measure_durations
from workbench.runs.folder import RunFolder
from workbench.training import AVERAGE, STATE, newest_folder


def record_run(stream: Iterator[Progress], run: RunFolder, tracker: Tracker, warn: Callable[[str], None]) -> Iterator[Progress]:
    """Pass `stream` on, keeping its numbers and pictures, and end the run with the status it deserves.

    A number that was said before the run was killed, and is said again after it went on, is kept once. A tracker that fails is reported
    through `warn` once and given up; the folder keeps everything.
    """
    port = _Port(tracker, warn)
    status: RunStatus = "FAILED"
    journal, last = run.journal(), 0
    try:
        journal.event("began" if not journal.events() else "went on", int(run.info().get("step", 0)))
        for progress in stream:
            last = progress.step
            if progress.phase == "finished":
                progress = replace(progress, metrics={**progress.metrics, **measure_durations(run).metrics()})
                _keep_weights(run, port)
            _keep(progress, run, journal, port)
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
        port.call(lambda: port.tracker.finish(status))
        journal.event(status.lower(), last)
        journal.close()


class _Port:
    def __init__(self, tracker: Tracker, warn: Callable[[str], None]) -> None:
        self.tracker, self._warn = tracker, warn

    def call(self, action: Callable[[], None]) -> None:
        try:
            action()
        except TrackingError as error:
            self._warn(f"tracking has stopped, the run goes on and its folder keeps everything: {error}")
            self.tracker = NullTracker()


def _keep(progress: Progress, run: RunFolder, journal: Journal, port: _Port) -> None:
    if progress.metrics:
        journal.numbers_at(progress.step, progress.metrics, progress.cards)
        port.call(lambda: port.tracker.metrics(progress.metrics, progress.step))
    if progress.cards:
        write_json(run.path / "cards.json", run.final()[1])
        port.call(lambda: port.tracker.artifact(run.path / "cards.json"))
    for key, image in progress.pictures.items():
        with atomic_write(path_inside(run.pictures, f"{key}_{progress.step:08d}.png")) as beside:
            image.save(beside)
        port.call(lambda key=key, image=image: port.tracker.image(key, image, progress.step))  # type: ignore[misc]
    for name, data in progress.files.items():
        path = path_inside(run.pictures, name)
        write_bytes(path, data)
        port.call(lambda path=path: port.tracker.artifact(path, "pictures"))  # type: ignore[misc]
    if progress.checkpoint or progress.phase in ("finished", "killed"):
        run.update(step=progress.step)


def final_weight_files(run: RunFolder) -> list[Path]:
    """The files with which images are drawn: the averaged weights of the newest checkpoint, without the optimizer's state."""
    folder = newest_folder(run.checkpoints)
    return [] if folder is None else [folder / AVERAGE, folder / STATE]


def _keep_weights(run: RunFolder, port: _Port) -> None:
    for path in final_weight_files(run):
        port.call(lambda path=path: port.tracker.artifact(path, "checkpoint"))  # type: ignore[misc]
