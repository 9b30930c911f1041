"""Remove runs."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import CheckpointError, WorkbenchError
from workbench.files import storage_errors
from workbench.recipe import load_stored
from workbench.runs.folder import RunFolder, find_run
from workbench.tracking import resolve_uri


@dataclass(frozen=True)
class TrackedRun:
    """Where a run is recorded: the URI of the store, and the run's id there."""

    uri: str
    run_id: str


def find_removable(home: Path, text: str) -> RunFolder:
    """The run that `find_run` finds; also a damaged run, by the exact name of its folder. CheckpointError if there is none."""
    path = home / "runs" / text
    if text not in ("", ".", "..") and Path(text).name == text and path.is_dir():
        return RunFolder(path)
    return find_run(home, text)


def check_not_written(run: RunFolder) -> None:
    """Raise CheckpointError if another process is writing the run."""
    with run.writing():
        pass


def tracked_run(run: RunFolder, environ: Mapping[str, str] = os.environ) -> TrackedRun | None:
    """Where a run is recorded; None if it is not, or if its folder is too damaged to know.

    Raises TrackingError if the store needs a password that is not in the environment.
    """
    store = run_id = None
    with contextlib.suppress(WorkbenchError):
        if (run.path / "journal.sqlite").exists():
            with contextlib.closing(run.journal()) as journal:
                store, run_id = journal.meta("tracking_store") or journal.meta("uri"), journal.meta("tracking_run")
        if run_id is None and (earlier := run.info().get("tracking")):  # runs of the first version
            store, run_id = earlier["uri"], earlier["run_id"]
    if store is None or run_id is None:
        return None
    recipe_uri = None
    with contextlib.suppress(WorkbenchError):
        recipe_uri = load_stored(run.recipe, None).tracking.uri
    return TrackedRun(resolve_uri(store, None, environ, recipe_uri, run.home), run_id)


def remove_run(run: RunFolder) -> None:
    """Delete a run's folder; CheckpointError if another process is writing it, StorageError if it cannot be deleted."""
    if run.path.is_symlink():
        raise CheckpointError(f"{run.path} is a link to {run.path.resolve()}: remove it yourself")
    with run.writing(), storage_errors(run.path):
        # First: what an interruption leaves is then not taken for a run.
        (run.path / "run.json").unlink(missing_ok=True)
        shutil.rmtree(run.path)
