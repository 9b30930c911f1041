"""A run in MLflow: written down in its folder at once, sent beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.interfaces import NullTracker, Tracker

if TYPE_CHECKING:
    from workbench.engine import Parts, RunFolder
    from workbench.journal import Journal
    from workbench.recipe import Recipe
    from workbench.tracking import Drainer

__all__ = ["Tracked", "place_of", "remember", "tracked"]


# Importing MLflow takes seconds, in which a run would get to its first step more slowly.
FIRST_STEP_SECONDS = 10.0


class Tracked:
    """A run's tracker, and what sends for it; without a journal, of a run that nobody wants recorded."""

    def __init__(self, tracker: Tracker, journal: Journal | None = None, drainer: Drainer | None = None) -> None:
        self.tracker, self._journal, self._drainer = tracker, journal, drainer

    @classmethod
    def none(cls) -> Tracked:
        """Of a run that stays in its folder."""
        return cls(NullTracker())

    def close(self, seconds: float) -> int:
        """Send what is left for `seconds` at most; how many records stay behind."""
        if self._journal is None or self._drainer is None:
            return 0
        self._drainer.close(seconds)
        left = self._journal.unsent()
        self._journal.close()
        return left


def tracked(
    folder: RunFolder,
    parts: Parts,
    source: Path,
    option: str | None,
    home: Path,
    warn: Callable[[str], None],
    tags: Mapping[str, str] | None = None,
) -> Tracked:
    """Write down all that is known of a run before its first step, and begin to send.

    `option` is the store that was asked for, `tags` are further ones. TrackingError only where the store is none that there could be; one
    that is away is waited for.
    """
    from workbench.engine import describe_device, origins_of
    from workbench.recipe import decisive
    from workbench.tracking import Drainer, Outbox, facts

    recipe, journal = parts.recipe, folder.journal()
    uri = place_of(folder, recipe, option, home, journal)
    remember(journal, uri, home)
    tracker = Outbox(journal, folder.pictures)
    used = origins_of(recipe)
    hashes = {f"wb.hash.{origin.distribution}": origin.sha256 for origin in used}
    if journal.meta("described"):
        tracker.tags(hashes)
    else:
        tracker.params(decisive(recipe))
        tracker.tags(
            {
                **facts({origin.distribution: origin.version for origin in used}, source.absolute()),
                **hashes,
                "mlflow.source.name": str(source),
                "wb.recipe": recipe.name,
                **({"mlflow.note.content": recipe.description} if recipe.description else {}),
                "wb.data": parts.train.provenance.source,
                "wb.device": describe_device(parts.device),
                "wb.precision": parts.compute.told(),
                **(tags or {}),
            }
        )
        for examples, context in ((parts.train, "training"), (parts.test, "validation")):
            told = examples.provenance
            tracker.dataset(f"{recipe.dataset.use}: {told.source}", f"{told.source}, {told.location}", told.fingerprint, context)
        tracker.artifact(folder.recipe)
        # Last: where it is missing after a crash, all of this is said again.
        journal.set_meta(described="yes", experiment=recipe.tracking.experiment)
    return Tracked(tracker, journal, Drainer(folder.journal, uri, recipe.tracking.experiment, home, warn, FIRST_STEP_SECONDS))


def place_of(folder: RunFolder, recipe: Recipe, option: str | None, home: Path, journal: Journal) -> str:
    """The URI of the store that a run goes to: the one it has gone to so far, if nobody asks for another."""
    from workbench.tracking import check_uri, masked, uri_again

    earlier = folder.info().get("tracking")  # of a run that was begun before there were journals
    if earlier and journal.meta("tracking_run") is None:
        journal.set_meta(uri=masked(earlier["uri"]), tracking_run=earlier["run_id"], tracking_store=masked(earlier["uri"]))
    uri = uri_again(journal.meta("uri"), option, os.environ, recipe.tracking.uri, home)
    check_uri(uri)
    return uri


def remember(journal: Journal, uri: str, home: Path) -> None:
    """Write down where a run goes, without a password."""
    from workbench.tracking import LOCAL, default_uri, masked

    journal.set_meta(uri=LOCAL if uri == default_uri(home) else masked(uri))
