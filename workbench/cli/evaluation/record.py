"""Evaluations in MLflow: child runs of the training run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.markup import escape

import workbench as wb
from workbench.errors import TrackingError, WorkbenchError


class TrackedEvaluation:
    """Adds child runs and pictures to a training run; a store that fails is told of once and left alone."""

    def __init__(self, run: wb.runs.RunFolder, step: int, uri: str | None, home: Path, console: Console) -> None:
        self._run, self._step, self._home, self._console = run, step, home, console
        self._uri, self._parent_id = "", ""
        try:
            self._uri, self._parent_id = _place(run, uri, home)
        except WorkbenchError as error:
            self._warn(f"evaluations are kept in the run's folder only: {error}")
        else:
            if not self._parent_id:
                self._warn(
                    f"the training run is not in MLflow (wb sync {run.id}), so its evaluations are kept in its folder only"
                )

    def combination(self, name: str, evaluation: wb.runs.CombinationResult) -> None:
        """A child run for a combination, unless it has one already."""
        known = (evaluation.tracking or {}).get("uri")
        if known is None or not wb.tracking.is_same_store(known, self._uri, self._home):
            self._guarded(lambda: self._combination(name, evaluation))

    def pictures(self, pictures: Mapping[str, Path]) -> None:
        """Pictures by key, on the training run itself."""
        self._guarded(lambda: self._pictures(pictures))

    @functools.cached_property
    def _parent(self) -> wb.tracking.MlflowTracker:
        # Opened when there is something to record: MLflow takes seconds to import.

        return wb.tracking.find_recorded_run(self._uri, self._parent_id, self._home)

    def _combination(self, name: str, found: wb.runs.CombinationResult) -> None:
        child = wb.tracking.child_of(self._parent, name)
        status: wb.interfaces.RunStatus = "KILLED"
        try:
            seed = next(iter(found.cards.values()))["seed"]
            fields = {f"sampler.{field}": value for field, value in found.slot.table().items()}
            child.tags({"wb.kind": "evaluation", "wb.run": self._run.id})
            child.params(fields | {"samples": found.samples, "seed": seed, "nfe": found.nfe})
            child.metrics({**found.metrics, **_speed(found)}, self._step)
            child.artifact(found.file)
            if found.picture.exists():
                child.artifact(found.picture)
            status = "FINISHED"
        finally:
            child.finish(status)
        found.note_tracking(wb.tracking.store_name(self._uri, self._home), child.run_id)

    def _pictures(self, pictures: Mapping[str, Path]) -> None:
        from PIL import Image

        for key, path in pictures.items():
            self._parent.artifact(path, "evaluations")
            with Image.open(path) as image:
                self._parent.image(f"evaluation_{key}", image.convert("RGB"), self._step)

    def _guarded(self, action: Callable[[], None]) -> None:
        if not self._parent_id:
            return
        try:
            action()
        except TrackingError as error:
            self._warn(f"tracking has stopped, the evaluation goes on and the run's folder keeps everything: {error}")
            self._parent_id = ""

    def _warn(self, text: str) -> None:
        self._console.print(f"[yellow]{escape(text)}[/]")


def _place(run: wb.runs.RunFolder, option: str | None, home: Path) -> tuple[str, str]:
    """The store of a run, and its id there; no id where it has not been sent."""
    with closing(run.journal()) as journal:
        uri = wb.runs.tracking_uri_of(run, wb.recipe.load_stored(run.recipe, None), option, home, journal)
        return uri, journal.meta("tracking_run") or ""


def _speed(found: wb.runs.CombinationResult) -> dict[str, float]:
    return {
        "eval/sampling_seconds": found.seconds,
        "eval/samples_per_second": found.samples / found.seconds,
    }
