"""A run in MLflow: written down in its folder at once, sent beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import workbench as wb
from workbench.journal import Journal
from workbench.secrets import mask_password

ENDS = ("finished", "killed", "failed")

# Importing MLflow takes seconds, in which a run would get to its first step more slowly.
FIRST_STEP_SECONDS = 10.0


class RunTracking:
    """A run's tracker, and what sends for it; without a drainer, everything waits in the journal for `wb sync`."""

    def __init__(self, tracker: wb.interfaces.Tracker, journal: Journal, drainer: wb.tracking.Drainer | None) -> None:
        self.tracker, self._journal, self._drainer = tracker, journal, drainer

    def close(self, seconds: float) -> int:
        """Send what is left for `seconds` at most; how many records that should have been sent were not."""
        left = 0
        if self._drainer is not None:
            self._drainer.close(seconds)
            left = self._journal.unsent() + self._journal.refusals()
        self._journal.close()
        return left


def start_tracking(
    folder: wb.runs.RunFolder,
    parts: wb.model.Parts,
    source: Path,
    option: str | None,
    home: Path,
    warn: Callable[[str], None],
    tags: Mapping[str, str] | None = None,
    *,
    send: bool = True,
) -> RunTracking:
    """Write down all that is known of a run before its first step, and begin to send, unless `send` is false.

    `option` is the store that was asked for, `tags` are further ones. TrackingError only where the store is none that there could be; one
    that is away is waited for.
    """
    recipe, journal, drainer = parts.recipe, folder.journal(), None
    uri = tracking_uri_of(folder, recipe, option, home, journal) if send else ""
    if send:
        store_tracking_uri(journal, uri, home)
    tracker = wb.tracking.Outbox(journal, folder.pictures)
    used = wb.recipe.origins_of(recipe)
    hashes = {f"wb.hash.{origin.distribution}": origin.sha256 for origin in used}
    if journal.meta("described"):
        tracker.tags(hashes | _changed(folder))
        tracker.artifact(folder.recipe)  # sent again where it has changed
    else:
        tracker.params(wb.recipe.decisive_settings(recipe))
        tracker.tags(
            {
                **wb.tracking.run_facts({origin.distribution: origin.version for origin in used}, source.absolute()),
                **hashes,
                "mlflow.source.name": str(source),
                "wb.recipe": recipe.name,
                **({"mlflow.note.content": recipe.description} if recipe.description else {}),
                "wb.data": parts.train.provenance.source,
                "wb.device": wb.compute.describe_device(parts.device),
                "wb.precision": parts.compute.describe(),
                **(tags or {}),
            }
        )
        for examples, context in ((parts.train, "training"), (parts.test, "validation")):
            told = examples.provenance
            tracker.dataset(f"{recipe.dataset.use}: {told.source}", f"{told.source}, {told.location}", told.fingerprint, context)
        tracker.artifact(folder.recipe)
        # Last: where it is missing after a crash, all of this is said again.
        journal.set_meta(described="yes", experiment=recipe.tracking.experiment)
    if send:
        experiment = journal.meta("experiment") or recipe.tracking.experiment
        drainer = wb.tracking.Drainer(folder.journal, uri, experiment, home, warn, FIRST_STEP_SECONDS)
    return RunTracking(tracker, journal, drainer)


def _changed(folder: wb.runs.RunFolder) -> dict[str, str]:
    """Tags of the recipe fields that changed when the run was resumed: a store does not let params change."""
    return {
        f"wb.changed.{key}": f"{old} -> {new} at step {entry['step']}"
        for entry in folder.info().get("changes", [])
        for key, (old, new) in entry["changed"].items()
    }


def describe_afterwards(folder: wb.runs.RunFolder, recipe: wb.recipe.Recipe, outbox: wb.tracking.Outbox) -> None:
    """Write down, from its folder, what an earlier version with --no-track did not: all but versions and machine of that time."""
    outbox.params(wb.recipe.decisive_settings(recipe))
    components = folder.info().get("components", [])
    outbox.tags(
        {
            "wb.recipe": recipe.name,
            **({"mlflow.note.content": recipe.description} if recipe.description else {}),
            **{f"wb.version.{each['distribution']}": each["version"] for each in components},
            **{f"wb.hash.{each['distribution']}": each["sha256"] for each in components},
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
    for path in wb.runs.final_weight_files(folder) if folder.status() == "FINISHED" else []:
        outbox.artifact(path, "checkpoint")


def describe_end(folder: wb.runs.RunFolder, journal: Journal, outbox: wb.tracking.Outbox) -> None:
    """Write down how a run ended that could not do so itself: it was killed, or not tracked by an earlier version."""
    status, events = folder.status(), journal.events()
    if status == "RUNNING":
        return
    ended = bool(events) and events[-1][0] in ENDS
    if not ended:
        journal.event(status.lower(), int(folder.info().get("step", 0)))
    if not ended or not journal.has_record("status"):
        outbox.finish(status)


def tracking_uri_of(
    folder: wb.runs.RunFolder | wb.sweep.SweepFolder, recipe: wb.recipe.Recipe, option: str | None, home: Path, journal: Journal
) -> str:
    """The URI of the store that a run goes to: the one it has gone to so far, if nobody asks for another."""
    earlier = folder.info().get("tracking")  # of a run that was begun before there were journals
    if earlier and journal.meta("tracking_run") is None:
        journal.set_meta(
            uri=mask_password(earlier["uri"]), tracking_run=earlier["run_id"], tracking_store=mask_password(earlier["uri"])
        )
    uri = wb.tracking.resolve_uri(journal.meta("uri"), option, os.environ, recipe.tracking.uri, home)
    wb.tracking.check_uri(uri)
    return uri


def store_tracking_uri(journal: Journal, uri: str, home: Path) -> None:
    """Write down where a run goes, without a password."""
    journal.set_meta(uri=wb.tracking.store_name(uri, home))
