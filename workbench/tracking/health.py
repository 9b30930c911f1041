"""Whether the tracking store can be read, or made, without doing either."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import TrackingError
from workbench.tracking.quiet import mlflow_errors
from workbench.tracking.secrets import masked
from workbench.tracking.store import database, default_uri, tracking_uri

__all__ = ["StoreHealth", "store_health"]


@dataclass(frozen=True)
class StoreHealth:
    """Where runs would be recorded, whether that will work, and why not."""

    where: str
    sound: bool
    told: str


def store_health(environ: Mapping[str, str], home: Path) -> StoreHealth:
    """The health of the store that runs without options of their own go to; nothing is written."""
    uri = tracking_uri(None, environ, None, home)
    if uri != default_uri(home):
        return _elsewhere(uri)
    path = database(home)
    if path.exists():
        return _local(path)
    folder = next(each for each in path.parents if each.exists())
    if folder.is_dir() and os.access(folder, os.W_OK):
        return StoreHealth(str(path), True, "the first run makes it")
    return StoreHealth(str(path), False, f"cannot be made, since {folder} cannot be written: set WB_HOME to a folder of yours")


def _local(path: Path) -> StoreHealth:
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)
        try:
            (runs,) = connection.execute("SELECT COUNT(*) FROM runs").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        return StoreHealth(str(path), False, f"cannot be read ({error}): move it away, and the next run makes another")
    return StoreHealth(str(path), True, f"{runs} {'run' if runs == 1 else 'runs'}")


def _elsewhere(uri: str) -> StoreHealth:
    where = masked(uri)
    try:
        with mlflow_errors(f"asking the tracking store {where}"):
            from mlflow.tracking import MlflowClient

            MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
    except TrackingError as error:
        return StoreHealth(where, False, f"{error}: name another in MLFLOW_TRACKING_URI, or run with --no-track")
    return StoreHealth(where, True, "answers")
