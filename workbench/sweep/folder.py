"""Sweep folders: sweeps/<name>/ with the recipe, Optuna's database and the logs of workers."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import SweepError
from workbench.files import write_json, write_text
from workbench.instants import instant_of, utc_now
from workbench.journal import Journal
from workbench.recipe import Recipe, dumps, load_stored
from workbench.sqlite import sqlite_url

SCHEMA = 1
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
# Settings that may change after a sweep has started.
MAY_CHANGE = (
    "sweep.trials",
    "sweep.max_failures",
    "sweep.confirm",
    "sweep.confirm_seeds",
    "sweep.confirm_samples",
    "name",
    "description",
)


@dataclass(frozen=True)
class SweepFolder:
    """The folder of one sweep on this machine, named after the sweep."""

    path: Path

    @classmethod
    def of(cls, home: Path, name: str) -> SweepFolder:
        """The folder for a name, whether it exists or not; SweepError if the name is not valid."""
        if not NAME.fullmatch(name):
            raise SweepError(f"'{name:.40}' cannot be the name of a sweep: at most 80 letters, digits and . _ -")
        return cls(home / "sweeps" / name)

    @property
    def name(self) -> str:
        """The name of the sweep."""
        return self.path.name

    @property
    def home(self) -> Path:
        """The WB_HOME that contains it."""
        return self.path.parent.parent

    @property
    def recipe(self) -> Path:
        """The resolved recipe, which trials override."""
        return self.path / "recipe.toml"

    @property
    def logs(self) -> Path:
        """The output of the workers."""
        return self.path / "logs"

    @property
    def results(self) -> Path:
        """Plots, the best recipe and the numbers of the confirmation."""
        return self.path / "results"

    @property
    def database(self) -> str:
        """The default storage of the trials: a file in this folder, which Optuna's dashboard opens."""
        return sqlite_url(self.path / "optuna.db")

    def journal(self) -> Journal:
        """A connection to the journal of the sweep's own run in the tracking store, for one thread."""
        return Journal(self.path / "journal.sqlite", f"sweep {self.name}")

    def exists(self) -> bool:
        """True if a sweep of this name has started here."""
        return (self.path / "sweep.json").is_file()

    def info(self) -> dict[str, Any]:
        """The content of sweep.json; SweepError if it cannot be read."""
        try:
            info = json.loads((self.path / "sweep.json").read_text())
        except (OSError, ValueError) as error:
            raise SweepError(f"{self.path}: this sweep cannot be read ({error})") from error
        if not isinstance(info, dict) or info.get("schema") != SCHEMA:
            raise SweepError(f"{self.path}: written by another version of the workbench")
        return info

    def update(self, **changes: object) -> None:
        """Change fields of sweep.json."""
        write_json(self.path / "sweep.json", {**self.info(), **changes})

    def create(self, recipe: Recipe, source: str, storage: str | None) -> None:
        """Write the files of a new sweep. `storage` is None for the sweep's own database."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.recipe, dumps(recipe))
        created = utc_now().isoformat()
        info = {
            "schema": SCHEMA,
            "name": self.name,
            "created": created,
            "source": source,
            "storage": storage,
            "digest": digest(recipe),
        }
        write_json(self.path / "sweep.json", info)

    def loaded(self) -> Recipe:
        """The recipe, which trials override; its data need not exist."""
        return load_stored(self.recipe, None)

    @contextmanager
    def coordinator_lock(self) -> Iterator[None]:
        """A lock: one process at a time coordinates the sweep of this folder. SweepError if another one does."""
        import fcntl

        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "coordinator.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise SweepError(
                    f"the sweep {self.name} is being run by another `wb sweep` in {self.path}; see its trials with: wb sweep show {self.name}"
                ) from error
            yield


def list_sweeps(home: Path) -> list[SweepFolder]:
    """All sweeps that can be read, the oldest first."""
    folders = [SweepFolder(path.parent) for path in (home / "sweeps").glob("*/sweep.json")]
    readable = []
    for folder in folders:
        try:
            readable.append((instant_of(folder.info().get("created")), folder.name, folder))
        except SweepError:
            continue
    return [folder for *_, folder in sorted(readable, key=lambda row: row[:2])]


def digest(recipe: Recipe) -> str:
    """A hash of all settings that decide what trials do and which come next."""
    text = json.dumps(_decisive(recipe), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def difference(old: Recipe, new: Recipe) -> list[str]:
    """The differences between those settings, as lines of text."""
    before, after = _decisive(old), _decisive(new)
    return [
        f"{key}: {before.get(key, 'not set')!r} -> {after.get(key, 'not set')!r}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]


def _decisive(recipe: Recipe) -> dict[str, object]:
    return {key: value for key, value in recipe.flat().items() if key not in MAY_CHANGE}
