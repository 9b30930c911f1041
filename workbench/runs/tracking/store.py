"""The tracking store that a journal is sent to."""

from __future__ import annotations

import os
from pathlib import Path

from workbench.journal import Journal
from workbench.runs.folder import RunFolder
from workbench.tracking import check_uri, resolve_uri, store_name


def resolve_store(stored: str | None, option: str | None, recipe_uri: str | None, home: Path) -> str:
    """The URI of the store: the `stored` one, unless `option` names another. TrackingError if it is not the URI of a store."""
    uri = resolve_uri(stored, option, os.environ, recipe_uri, home)
    check_uri(uri)
    return uri


def store_of_run(run: RunFolder, journal: Journal, option: str | None, recipe_uri: str | None, home: Path) -> str:
    """The URI of the store of a run; runs of a version without journals have it in run.json."""
    earlier = run.info().get("tracking")
    if earlier and journal.meta("tracking_run") is None:
        name = store_name(earlier["uri"], home)
        journal.set_meta(uri=name, tracking_run=earlier["run_id"], tracking_store=name)
    return resolve_store(journal.meta("uri"), option, recipe_uri, home)


def note_store(journal: Journal, uri: str, home: Path) -> None:
    """Write the store that a journal is sent to into it, without a password."""
    journal.set_meta(uri=store_name(uri, home))
