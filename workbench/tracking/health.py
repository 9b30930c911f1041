"""The state of the tracking store, determined without creating or changing it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import TrackingError
from workbench.secrets import mask_password
from workbench.sqlite import sqlite_path
from workbench.tracking.mlflow_errors import mlflow_errors
from workbench.tracking.relocation import stale_locations
from workbench.tracking.store import artifacts, default_uri, tracking_uri


@dataclass(frozen=True)
class StoreHealth:
    """The store `where` runs are recorded: `sound` if that works, a `description`, and the command that repairs a fault that can wait."""

    where: str
    sound: bool
    description: str
    remedy: str = ""


def store_health(environ: Mapping[str, str], home: Path) -> StoreHealth:
    """The health of the default store of runs; nothing is written."""
    uri = tracking_uri(None, environ, None, home)
    path = sqlite_path(uri)
    if path is None:
        return _elsewhere(uri)
    if path.exists():
        return _file(path, artifacts(home) if uri == default_uri(home) else None)
    folder = next(parent for parent in path.parents if parent.exists())
    if folder.is_dir() and os.access(folder, os.W_OK):
        return StoreHealth(str(path), True, "the first run creates it")
    return StoreHealth(str(path), False, f"cannot be created, because {folder} is not writable: set WB_HOME to a folder of yours")


def _file(path: Path, root: Path | None) -> StoreHealth:
    """The health of a SQLite file; `root` is the folder for the artifacts of the local store."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)
        try:
            (runs,) = connection.execute("SELECT COUNT(*) FROM runs").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        return StoreHealth(str(path), False, f"cannot be read ({error}): move it away, and the next run creates another")
    count = f"{runs} {'run' if runs == 1 else 'runs'}"
    stale = stale_locations(path, root) if root else []
    if stale:
        return StoreHealth(
            str(path), True, f"{count}; this home has moved: {len(stale)} artifact locations still point to {stale[0]}", "wb sync"
        )
    return StoreHealth(str(path), True, count)


def _elsewhere(uri: str) -> StoreHealth:
    where = mask_password(uri)
    try:
        with mlflow_errors(f"connecting to the tracking store {where}"):
            from mlflow.tracking import MlflowClient

            MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
    except TrackingError as error:
        return StoreHealth(where, False, f"{error}: set MLFLOW_TRACKING_URI to another store, or run with --no-track")
    return StoreHealth(where, True, "answers")
