"""Record a run in MLflow: everything is written to its journal first, and sent from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.compute import describe_device
from workbench.interfaces import Tracker
from workbench.journal import Journal
from workbench.model import Parts
from workbench.recipe import Recipe, decisive_settings, origins_of
from workbench.runs.folder import RunFolder
from workbench.runs.tracking.store import note_store, store_of_run
from workbench.tracking import PARENT, Drainer, Outbox, count_left, run_facts

# Importing MLflow takes seconds, which would delay the first step of a run.
FIRST_STEP_SECONDS = 10.0


@dataclass(frozen=True)
class Store:
    """Where a run is recorded.

    `uri` None: the store that the run has used so far, or the environment, the recipe or the default. `send` False: the records stay in
    the run's folder until `wb sync`. `parent` is the name of the run that it belongs to (of a sweep).
    """

    uri: str | None = None
    send: bool = True
    parent: str | None = None


class RunTracking:
    """The tracker of a run, and the thread that sends what it writes; without one, `wb sync` sends it."""

    def __init__(self, tracker: Tracker, journal: Journal, drainer: Drainer | None) -> None:
        self.tracker, self._journal, self._drainer = tracker, journal, drainer

    def close(self, seconds: float) -> int:
        """Send the rest for `seconds` at most, and return the number of records that should have been sent and were not."""
        unsent = 0
        if self._drainer is not None:
            self._drainer.close(seconds)
            unsent = count_left(self._journal)
        self._journal.close()
        return unsent


def start_tracking(
    folder: RunFolder, parts: Parts, source: Path, store: Store, warn: Callable[[str], None], tags: Mapping[str, str]
) -> RunTracking:
    """Record everything that is known of a run before its first step, and start to send.

    `source` is the recipe's file, `tags` are added to those of every run. Raises TrackingError for a URI that is not a tracking store; a
    store that is unreachable is tried again.
    """
    recipe, home, journal, drainer = parts.recipe, folder.home, folder.journal(), None
    uri = store_of_run(folder, journal, store.uri, recipe.tracking.uri, home) if store.send else ""
    if store.send:
        note_store(journal, uri, home)
    tracker = Outbox(journal, folder.pictures)
    if journal.meta("described"):
        tracker.tags(_hashes(recipe) | _changed_fields(folder))
        tracker.artifact(folder.recipe)  # sent again if it has changed
    else:
        _describe(tracker, parts, source, {**({PARENT: store.parent} if store.parent else {}), **tags})
        tracker.artifact(folder.recipe)
        # Last: without it, after a crash, everything above is recorded again.
        journal.set_meta(described="yes", experiment=recipe.tracking.experiment)
    if store.send:
        experiment = journal.meta("experiment") or recipe.tracking.experiment
        drainer = Drainer(folder.journal, uri, experiment, home, warn, FIRST_STEP_SECONDS)
    return RunTracking(tracker, journal, drainer)


def _describe(tracker: Tracker, parts: Parts, source: Path, tags: Mapping[str, str]) -> None:
    recipe = parts.recipe
    tracker.params(decisive_settings(recipe))
    tracker.tags(
        {
            **run_facts({origin.distribution: origin.version for origin in origins_of(recipe)}, source.absolute()),
            **_hashes(recipe),
            "mlflow.source.name": str(source),
            "wb.recipe": recipe.name,
            **({"mlflow.note.content": recipe.description} if recipe.description else {}),
            "wb.data": parts.train.provenance.source,
            "wb.device": describe_device(parts.device),
            "wb.precision": parts.compute.describe(),
            **tags,
        }
    )
    for examples, context in ((parts.train, "training"), (parts.test, "validation")):
        data = examples.provenance
        tracker.dataset(f"{recipe.dataset.use}: {data.source}", f"{data.source}, {data.location}", data.fingerprint, context)


def _hashes(recipe: Recipe) -> dict[str, str]:
    return {f"wb.hash.{origin.distribution}": origin.sha256 for origin in origins_of(recipe)}


def _changed_fields(folder: RunFolder) -> dict[str, str]:
    """Tags of the recipe fields that changed when the run was resumed: a store does not let params change."""
    return {
        f"wb.changed.{key}": f"{old} -> {new} at step {entry['step']}"
        for entry in folder.info().get("changes", [])
        for key, (old, new) in entry["changed"].items()
    }
