"""Artifact locations in the local store after a move of its home.

MLflow stores absolute addresses in its database. After a home has moved, they point to its former place: new artifacts would be
written there, and those of earlier runs would not be found.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from workbench.tracking.mlflow_errors import mlflow_errors

_FOLDER = "/mlflow/artifacts/"
# Columns that the workbench writes, and those that MLflow's pages add.
_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
_BUSY_SECONDS = 30.0


def relocate_artifacts(database: Path, root: Path) -> int:
    """Make locations in `database` that point to a former place of its home point to `root`; how many there were.

    Other addresses do not change, nor those in another home that still has the files.
    """
    if not stale_locations(database, root):
        return 0
    with mlflow_errors(f"relocating the artifacts in {database}"), closing(_connect(database, "rw")) as connection, connection:
        connection.execute("begin immediate")
        stale = list(_stale(connection, root))
        for table, column, old, new in stale:
            connection.execute(f"update {table} set {column} = ? where {column} = ?", [new, old])  # noqa: S608 - fixed names
    return len(stale)


def stale_locations(database: Path, root: Path) -> list[str]:
    """The addresses that `relocate_artifacts` would change; nothing is written."""
    with mlflow_errors(f"reading the tracking database {database}"), closing(_connect(database, "ro")) as connection:
        return [old for _, _, old, _ in _stale(connection, root)]


def _connect(database: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{database.absolute().as_uri()}?mode={mode}", uri=True, timeout=_BUSY_SECONDS)


def _stale(connection: sqlite3.Connection, root: Path) -> Iterator[tuple[str, str, str, str]]:
    """(table, column, address, address under `root`)."""
    here = root.as_uri() + "/"
    for table, column in _COLUMNS:
        if not any(row[1] == column for row in connection.execute(f"pragma table_info({table})")):
            continue  # a database of another version of MLflow
        query = f"select distinct {column} from {table} where {column} like '%{_FOLDER}%' and substr({column}, 1, ?) != ?"  # noqa: S608 - fixed names
        for (address,) in connection.execute(query, [len(here), here]).fetchall():
            if not address.startswith(("file:", "/")):
                continue  # in an object store, or on a server
            before, _, rest = address.rpartition(_FOLDER)
            if _has_moved(_path(before + _FOLDER), root, unquote(rest)):
                yield table, column, address, here + rest


def _has_moved(old: Path, root: Path, rest: str) -> bool:
    """True if files under `old` are now under `root`: they exist here, or no longer exist there."""
    if old.exists() and root.exists() and old.samefile(root):
        return False  # one folder under two names, such as a link
    return (root / rest).exists() or not (old / rest).exists()


def _path(address: str) -> Path:
    return Path(unquote(urlsplit(address).path))
