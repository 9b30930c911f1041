"""Evaluations in the tracking store: a child run of the training run for each combination, written into the run's journal first."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from workbench.errors import JournalError, WorkbenchError
from workbench.files import atomic_write
from workbench.journal import Journal
from workbench.recipe import Recipe
from workbench.runs.combinations.evaluator import CombinationResult
from workbench.runs.folder import RunFolder
from workbench.runs.tracking.store import store_of_run
from workbench.tracking import Drainer, Outbox, count_left, find_recorded_run, is_same_store, store_name

# For records that are unsent when an evaluation ends: enough for a reachable store, but little after Ctrl-C.
SENDING_SECONDS = 30.0
STOPPED_SECONDS = 2.0


class TrackedEvaluation:
    """Writes evaluations of a run at `step` into its journal. If `track` is false, they are sent only by a `wb sync` that names the run.

    `uri` is the store that the journal is sent to, None if that is not known. Without a journal, nothing is recorded.
    """

    def __init__(self, run: RunFolder, journal: Journal | None, step: int, uri: str | None, home: Path, *, track: bool) -> None:
        self._run = run
        self._journal = journal
        self._step = step
        self._uri = uri
        self._home = home
        self._track = track

    def record_combination(self, name: str, result: CombinationResult) -> None:
        """Record a combination as a child run, unless it has one."""
        if self._journal is None or self._was_recorded(result):
            return
        child = self._journal.child(result.file.stem)
        if result.new or not child.has_record("status"):
            outbox = Outbox(child, self._run.pictures)
            fields = {f"sampler.{field}": value for field, value in result.slot.table().items()}
            seed = next(iter(result.cards.values()))["seed"]
            speed = {"eval/sampling_seconds": result.seconds, "eval/samples_per_second": result.samples / result.seconds}
            outbox.params(fields | {"samples": result.samples, "seed": seed, "nfe": result.nfe})
            outbox.metrics({**result.metrics, **speed}, self._step)
            outbox.artifact(result.file)
            if result.picture.exists():
                outbox.artifact(result.picture)
            outbox.finish("FINISHED")
        child.set_meta(name=name)
        if self._track:
            child.set_meta(uri=self._journal.meta("uri"))

    def record_images(self, images: Mapping[str, Path]) -> None:
        """Record images by key on the training run itself; those in other folders are copied into the run's."""
        if self._journal is None or (not self._track and self._journal.meta("uri") is not None):
            return
        outbox = Outbox(self._journal, self._run.pictures)
        for key, path in images.items():
            own = self._run.evaluations / path.name
            if path.absolute() != own.absolute():
                with atomic_write(own) as file:
                    shutil.copyfile(path, file)
            outbox.artifact(own, "evaluations")
            outbox.picture(f"evaluation_{key}", own, self._step, changes=True)

    def _was_recorded(self, result: CombinationResult) -> bool:
        """True if an earlier version sent it: it noted the store in the combination's file."""
        store = (result.tracking or {}).get("uri")
        return store is not None and (self._uri is None or is_same_store(store, self._uri, self._home))


@contextmanager
def track_evaluation(
    run: RunFolder, recipe: Recipe, step: int, option: str | None, home: Path, warn: Callable[[str], None], *, track: bool
) -> Iterator[TrackedEvaluation]:
    """A record of evaluations, sent in the background to the store that has the run, or to the one at `option` if that has it too.

    Records that cannot be sent wait in the run's folder. `warn` is called with the reason, also from the sending thread.
    """
    try:
        journal = run.journal()
    except JournalError as error:
        warn(f"evaluations are kept in the run's folder only: {error}")
        yield TrackedEvaluation(run, None, step, None, home, track=False)
        return
    with closing(journal):
        uri = drainer = None
        try:
            uri = store_of_run(run, journal, option, recipe.tracking.uri, home)
            send = track and _is_recorded(run, journal, uri, home, warn)
        except WorkbenchError as error:
            send = False
            if track:
                warn(f"tracking has stopped, the evaluation continues and the run's folder keeps everything: {error}")
        if send and uri is not None:
            experiment = journal.meta("experiment") or recipe.tracking.experiment
            drainer = Drainer(run.journal, uri, experiment, home, warn, reopen=False)
        seconds = STOPPED_SECONDS
        try:
            yield TrackedEvaluation(run, journal, step, uri, home, track=track)
            seconds = SENDING_SECONDS
        finally:
            if drainer is not None:
                drainer.close(seconds)
                if left := count_left(journal):
                    warn(f"{left:,} records not yet sent; they wait in the run's folder: wb sync {run.id}")


def _is_recorded(run: RunFolder, journal: Journal, uri: str, home: Path, warn: Callable[[str], None]) -> bool:
    """True if the store at `uri` has the run, and no other process sends its journal. TrackingError if another store has it."""
    run_id, store = journal.meta("tracking_run"), journal.meta("tracking_store")
    if run_id is None:
        warn(f"the training run is not in MLflow, and its evaluations wait in its folder: wb sync {run.id} sends both")
        return False
    if store is None or not is_same_store(store, uri, home):
        find_recorded_run(uri, run_id, home)
        journal.set_meta(uri=store_name(uri, home), tracking_store=store_name(uri, home))
    return run.status() != "RUNNING"  # a run that is being trained sends its journal itself
