"""A summary of every run in a home, read without torch and without disturbing runs that are being written."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from workbench.errors import CheckpointError
from workbench.instants import instant_of
from workbench.interfaces import RunStatus
from workbench.metrics import rankable
from workbench.runs.folder import RunFolder

BUSY_SECONDS = 5.0  # to wait for a run that is committing
STD_ERROR = "_std_error"


@dataclass(frozen=True)
class BestDistance:
    """The least value of a run's first distance, among its evaluations that were measured as the last one was."""

    metric: str
    value: float
    step: int


@dataclass(frozen=True)
class RunSummary:
    """One run; `created` is an ISO 8601 time in UTC, `best` None if no distance was measured."""

    folder: RunFolder
    recipe: str
    status: RunStatus | Literal["RUNNING"]
    step: int
    created: str
    best: BestDistance | None

    def document(self) -> dict[str, Any]:
        """The summary as JSON."""
        best = self.best
        return {
            "id": self.folder.id,
            "recipe": self.recipe,
            "status": self.status,
            "step": self.step,
            "created": self.created,
            "best": None if best is None else {"metric": best.metric, "value": best.value, "step": best.step},
            "folder": str(self.folder.path),
        }


@dataclass(frozen=True)
class RunListing:
    """Runs, the newest first, and for each folder that cannot be read a line with its path and the reason."""

    runs: tuple[RunSummary, ...]
    damaged: tuple[str, ...]


def summarize_runs(home: Path, limit: int | None = None) -> RunListing:
    """Summarize the newest `limit` runs of a home (default: all)."""
    readable, damaged = [], []
    for folder in _run_folders(home):
        try:
            info = folder.info()
        except CheckpointError as error:
            damaged.append(str(error))
        else:
            readable.append((instant_of(info.get("created")), folder.id, folder, info))
    readable.sort(key=lambda row: row[:2], reverse=True)
    runs: list[RunSummary] = []
    for _, _, folder, info in readable:
        if len(runs) == limit:
            break
        try:
            runs.append(_summarize(folder, info))
        except (CheckpointError, OSError, ValueError, TypeError, KeyError, sqlite3.Error) as error:
            damaged.append(f"{folder.path}: damaged ({error})")
    return RunListing(tuple(runs), tuple(damaged))


def _run_folders(home: Path) -> Iterator[RunFolder]:
    with contextlib.suppress(FileNotFoundError):
        yield from (RunFolder(path) for path in sorted((home / "runs").iterdir()) if path.is_dir())


def _summarize(folder: RunFolder, info: dict[str, Any]) -> RunSummary:
    return RunSummary(
        folder, str(info.get("name", "")), folder.status(), int(info["step"]), str(info.get("created", "")), _best(folder)
    )


def _best(folder: RunFolder) -> BestDistance | None:
    rows = list(_distances(folder))
    if not rows:
        return None
    first = rows[0][0]
    rows = [row for row in rows if row[0] == first]
    last_card = rows[-1][3]
    metric, step, value, _ = min((row for row in rows if rankable(row[3], last_card)), key=lambda row: row[2])
    return BestDistance(metric, value, step)


def _distances(folder: RunFolder) -> Iterator[tuple[str, int, float, dict[str, Any]]]:
    """(metric, step, value, card) of every distance of a run, in the order in which they were measured."""
    if (folder.path / "metrics.jsonl").exists():  # runs of the first version
        for line in folder.numbers():
            cards = line.get("cards", {})
            yield from ((key, line["step"], line["metrics"][key], card) for key, card in cards.items() if _is_distance(key))
        return
    path = folder.path / "journal.sqlite"
    if not path.exists():
        return
    # Read-only: `Journal` takes the write lock, for which the training of a run would have to wait.
    connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=BUSY_SECONDS)
    with contextlib.closing(connection):
        query = "select key, step, value, card from numbers where run = ? and card is not null and value is not null order by id"
        for key, step, value, card in connection.execute(query, [folder.id]):
            if _is_distance(key):
                yield key, step, value, json.loads(card)


def _is_distance(key: str) -> bool:
    return not key.endswith(STD_ERROR)
