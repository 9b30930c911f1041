"""Whether the tracking store can be read, or made, without doing either."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import TrackingError
from workbench.secrets import mask_password
from workbench.sqlite import sqlite_path
from workbench.tracking.quiet import mlflow_errors
from workbench.tracking.relocation import stale_locations
from workbench.tracking.store import artifacts, default_uri, tracking_uri


@dataclass(frozen=True)
class StoreHealth:
    """Where runs would be recorded, whether that will work, and why not; `remedy` is the command that repairs what works meanwhile."""

    where: str
    sound: bool
    told: str
    remedy: str = ""


def store_health(environ: Mapping[str, str], home: Path) -> StoreHealth:
    """The health of the store that runs without options of their own go to; nothing is written."""
    uri = tracking_uri(None, environ, None, home)
    path = sqlite_path(uri)
    if path is None:
        return _elsewhere(uri)
    if path.exists():
        return _file(path, artifacts(home) if uri == default_uri(home) else None)
    folder = next(each for each in path.parents if each.exists())
    if folder.is_dir() and os.access(folder, os.W_OK):
        return StoreHealth(str(path), True, "the first run makes it")
    return StoreHealth(str(path), False, f"cannot be made, since {folder} cannot be written: set WB_HOME to a folder of yours")


def _file(path: Path, root: Path | None) -> StoreHealth:
    """The health of a SQLite file; `root` is where the artifacts of the local store belong."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)
        try:
            (runs,) = connection.execute("SELECT COUNT(*) FROM runs").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        return StoreHealth(str(path), False, f"cannot be read ({error}): move it away, and the next run makes another")
    told = f"{runs} {'run' if runs == 1 else 'runs'}"
    stale = stale_locations(path, root) if root else []
    if stale:
        return StoreHealth(
            str(path), True, f"{told}; this home has moved: {len(stale)} artifact locations still lead to {stale[0]}", "wb sync"
        )
    return StoreHealth(str(path), True, told)


def _elsewhere(uri: str) -> StoreHealth:
    where = mask_password(uri)
    try:
        with mlflow_errors(f"asking the tracking store {where}"):
            from mlflow.tracking import MlflowClient

            MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
    except TrackingError as error:
        return StoreHealth(where, False, f"{error}: name another in MLFLOW_TRACKING_URI, or run with --no-track")
    return StoreHealth(where, True, "answers")
