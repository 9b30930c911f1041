"""Record a run in MLflow: everything is written to its journal first, and sent from there."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from workbench.compute import describe_device
from workbench.interfaces import Tracker
from workbench.journal import Journal
from workbench.model import Parts
from workbench.recipe import Recipe, decisive_settings, origins_of
from workbench.runs.folder import RunFolder
from workbench.runs.recording import final_weight_files
from workbench.secrets import mask_password
from workbench.tracking import PARENT, Drainer, Outbox, check_uri, resolve_uri, run_facts, store_name

ENDS = ("finished", "killed", "failed")

# Importing MLflow takes seconds, which would delay the first step of a run.
FIRST_STEP_SECONDS = 10.0


class Recorded(Protocol):
    """A folder whose records are sent to a store: of a run or a sweep."""

    def info(self) -> dict[str, Any]:
        """Its JSON file."""
        ...


@dataclass(frozen=True)
class Store:
    """Where a run is recorded.

    `uri` None: the store that the run has used so far, or the environment, the recipe or the default. `send` False: the records stay in
    the run's folder until `wb sync`. `parent` is the MLflow run of a sweep.
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
            unsent = self._journal.unsent() + self._journal.refusals()
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
    uri = tracking_uri_of(folder, recipe, store.uri, home, journal) if store.send else ""
    if store.send:
        store_tracking_uri(journal, uri, home)
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


def describe_afterwards(folder: RunFolder, recipe: Recipe, outbox: Outbox) -> None:
    """Record from its folder what an earlier version with --no-track did not: everything but the versions and machine of that time."""
    outbox.params(decisive_settings(recipe))
    components = folder.info().get("components", [])
    outbox.tags(
        {
            "wb.recipe": recipe.name,
            **({"mlflow.note.content": recipe.description} if recipe.description else {}),
            **{f"wb.version.{component['distribution']}": component["version"] for component in components},
            **{f"wb.hash.{component['distribution']}": component["sha256"] for component in components},
        }
    )
    outbox.artifact(folder.recipe)
    for path in sorted(folder.pictures.glob("*")):
        key, _, step = path.stem.rpartition("_")
        if path.suffix == ".png" and key and step.isdigit():
            outbox.picture(key, path, int(step))
        elif path.is_file():
            outbox.artifact(path, "pictures")
    if (folder.path / "cards.json").is_file():
        outbox.artifact(folder.path / "cards.json")
    for path in final_weight_files(folder) if folder.status() == "FINISHED" else []:
        outbox.artifact(path, "checkpoint")


def describe_end(folder: RunFolder, journal: Journal, outbox: Outbox) -> None:
    """Record how a run ended that could not do so itself: it was killed, or an earlier version did not track it."""
    status, events = folder.status(), journal.events()
    if status == "RUNNING":
        return
    ended = bool(events) and events[-1][0] in ENDS
    if not ended:
        journal.event(status.lower(), int(folder.info().get("step", 0)))
    if not ended or not journal.has_record("status"):
        outbox.finish(status)


def tracking_uri_of(folder: Recorded, recipe: Recipe, option: str | None, home: Path, journal: Journal) -> str:
    """The URI of a run's store: `option`, else the one it has used so far, the environment's, the recipe's or the default."""
    earlier = folder.info().get("tracking")  # of a run that was started before there were journals
    if earlier and journal.meta("tracking_run") is None:
        journal.set_meta(
            uri=mask_password(earlier["uri"]), tracking_run=earlier["run_id"], tracking_store=mask_password(earlier["uri"])
        )
    uri = resolve_uri(journal.meta("uri"), option, os.environ, recipe.tracking.uri, home)
    check_uri(uri)
    return uri


def store_tracking_uri(journal: Journal, uri: str, home: Path) -> None:
    """Write a run's store to its journal, without a password."""
    journal.set_meta(uri=store_name(uri, home))


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
