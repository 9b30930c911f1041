"""The life cycle of a run: build it, open its folder and its record, train or evaluate, and close both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch

from workbench.files import exclusive_lock
from workbench.home import cache_folder
from workbench.interfaces import Tracker
from workbench.model import Parts, assemble
from workbench.progress import Progress, Stop
from workbench.recipe import save, size_warnings
from workbench.runs.components import changed_origins, record_origins
from workbench.runs.folder import RunFolder, create_run, open_folder
from workbench.runs.recording import record_run
from workbench.runs.resume import Plan
from workbench.runs.spec import changed_data, record_data
from workbench.runs.tracking.run import RunTracking, Store, start_tracking
from workbench.runs.weights import reevaluate
from workbench.training import Agreement, Checkpoint, compare_environment, latest_checkpoint, train

# For the records that are not sent when a run ends: sending may take a while when it has finished, and must not delay a stop.
SENDING_SECONDS = 30.0
STOPPED_SECONDS = 2.0


class Session:
    """A run that this process is writing: its folder, its parts and its tracker.

    `resume` is the checkpoint from which it continues, `agreement` how far the rest will agree with an uninterrupted run; both None for a
    new run. `phase` is the phase of its last progress, and `unsent` the number of records that wait for `wb sync` once it is closed.
    """

    def __init__(self, folder: RunFolder, parts: Parts, tracking: RunTracking, resume: Checkpoint | None) -> None:
        self.folder, self.parts, self.resume = folder, parts, resume
        self.agreement: Agreement | None = None if resume is None else compare_environment(resume, parts)
        self.phase, self.unsent = "failed", 0
        self._tracking = tracking

    @property
    def tracker(self) -> Tracker:
        """What records the run."""
        return self._tracking.tracker

    def train(self, stop: Stop, warn: Callable[[str], None]) -> Iterator[Progress]:
        """Train to the recipe's end, or until `stop` is requested, and record every progress before it is yielded."""
        if self.resume is not None and self.agreement is not None:
            self.folder.update(determinism={"level": self.agreement.level, "reasons": list(self.agreement.reasons)})
            lost = self.resume.state.recorded - self.folder.recorded()
            if lost > 0:
                warn(f"{lost:,} numbers that were recorded before this checkpoint are missing from the run's journal")
        yield from self._recorded(
            train(
                self.parts,
                self.folder.checkpoints,
                resume=self.resume,
                stop=stop,
                run=self.folder.id,
                recorded=self.folder.recorded,
            ),
            warn,
        )

    def evaluate(self, trained: RunFolder, stop: Stop, warn: Callable[[str], None]) -> Iterator[Progress]:
        """Evaluate the averaged weights of another run in place of training, and record every progress before it is yielded."""
        yield from self._recorded(reevaluate(self.parts, trained, stop), warn)

    def _recorded(self, stream: Iterator[Progress], warn: Callable[[str], None]) -> Iterator[Progress]:
        self.phase = "killed"
        self.folder.update(status="RUNNING")
        for progress in record_run(stream, self.folder, self.tracker, warn):
            self.phase = progress.phase
            yield progress


@contextmanager
def open_session(
    plan: Plan,
    home: Path,
    *,
    device: torch.device,
    store: Store | None = None,
    tags: Mapping[str, str] | None = None,
    warn: Callable[[str], None] = lambda text: None,
    progress: Callable[[str, int, int], None] = lambda *_: None,
    lock_seconds: float = 1.0,
    sending_seconds: float = SENDING_SECONDS,
    is_one_of_many: bool = False,
) -> Iterator[Session]:
    """Open a run for writing, and close it at the end of the block, whatever ends it.

    Arguments:
        plan: the recipe, and the folder of a run that is resumed or already reserved; a new folder is created otherwise.
        store: where the run is recorded, None for the default store; `tags` are added to its record.
        warn: receives a line for changed components or data, sizes that do not fit, and failures of the tracker.
        progress: receives what is prepared, and how far it is.
        lock_seconds: how long to wait for another process that writes the folder; CheckpointError afterwards.
        sending_seconds: how long the end may take to send records.
        is_one_of_many: data are prepared, and implementations measured, by one process of this home at a time.

    Raises what assembling the parts raises, before a new folder is created.
    """
    folder, cache = plan.folder, cache_folder(home)
    with ExitStack() as stack:
        if folder is not None:
            stack.enter_context(folder.writing(lock_seconds))
            _reserve(folder, plan)  # so that a run that cannot be assembled keeps its recipe and its status
        with ExitStack() as preparing:
            if is_one_of_many:
                preparing.enter_context(exclusive_lock(cache / "preparing.lock"))
            parts = assemble(plan.recipe, device, cache, progress)
        for line in _differences(plan, parts):
            warn(line)
        if folder is None:
            folder = create_run(home, plan.recipe.name)
            stack.enter_context(folder.writing())
            _reserve(folder, plan)
        _describe(folder, plan, parts, warn)
        tracking = start_tracking(folder, parts, plan.source, store or Store(), warn, tags or {})
        session = None
        try:
            session = Session(folder, parts, tracking, plan.checkpoint(latest_checkpoint(folder.checkpoints, warn)))
            yield session
        finally:
            ended = session is not None and session.phase == "finished"
            unsent = tracking.close(sending_seconds if ended else min(STOPPED_SECONDS, sending_seconds))
            if session is not None:
                session.unsent = unsent


def _differences(plan: Plan, parts: Parts) -> list[str]:
    """One line for each component and split that differs from the run that is resumed or repeated, and for each size that does not fit."""
    repeated = plan.repeated()
    earlier = plan.folder or repeated
    components = changed_origins(earlier) if earlier is not None and earlier.exists() else []
    data = [] if repeated is None else changed_data(repeated, parts)  # `record_data` compares those of a resumed run
    return [*components, *data, *size_warnings(plan.recipe, len(parts.train))]


def _reserve(folder: RunFolder, plan: Plan) -> None:
    """Write run.json and the recipe, unless the folder has them."""
    if not folder.exists():
        open_folder(folder, plan.recipe.name)
    if not folder.recipe.is_file():
        save(plan.recipe, folder.recipe)


def _describe(folder: RunFolder, plan: Plan, parts: Parts, warn: Callable[[str], None]) -> None:
    """Write the data, the changes and the components to the run's folder."""
    for line in record_data(folder, parts):
        warn(line)
    plan.apply()
    record_origins(folder, plan.recipe)
