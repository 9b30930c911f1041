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
# What may be said anew of a sweep that has begun.
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
    """The folder of one sweep on this machine; its name is the sweep's."""

    path: Path

    @classmethod
    def of(cls, home: Path, name: str) -> SweepFolder:
        """The folder of a name, which need not be there; SweepError where it is no name."""
        if not NAME.fullmatch(name):
            raise SweepError(
                f"'{name:.40}' cannot be the name of a sweep: letters, digits and . _ - only, and 80 of them at most"
            )
        return cls(home / "sweeps" / name)

    @property
    def name(self) -> str:
        """What the command line calls the sweep."""
        return self.path.name

    @property
    def home(self) -> Path:
        """The WB_HOME it lies in."""
        return self.path.parent.parent

    @property
    def recipe(self) -> Path:
        """The resolved recipe that trials change."""
        return self.path / "recipe.toml"

    @property
    def logs(self) -> Path:
        """What workers print."""
        return self.path / "logs"

    @property
    def results(self) -> Path:
        """Plots, the best recipe and the numbers of the confirmation."""
        return self.path / "results"

    @property
    def database(self) -> str:
        """Where trials are kept if nothing else was said: a file of the sweep's own, which Optuna's dashboard opens."""
        return sqlite_url(self.path / "optuna.db")

    def journal(self) -> Journal:
        """A connection to the journal of the sweep's own run in the tracking store, for one thread."""
        return Journal(self.path / "journal.sqlite", f"sweep {self.name}")

    def exists(self) -> bool:
        """Whether a sweep of that name has begun here."""
        return (self.path / "sweep.json").is_file()

    def info(self) -> dict[str, Any]:
        """What sweep.json says."""
        try:
            info = json.loads((self.path / "sweep.json").read_text())
        except (OSError, ValueError) as error:
            raise SweepError(f"{self.path}: no sweep can be read here ({error})") from error
        if not isinstance(info, dict) or info.get("schema") != SCHEMA:
            raise SweepError(f"{self.path}: written by another version of the workbench")
        return info

    def update(self, **changes: object) -> None:
        """Change fields of sweep.json."""
        write_json(self.path / "sweep.json", {**self.info(), **changes})

    def create(self, recipe: Recipe, source: str, storage: str | None) -> None:
        """Begin a sweep: write down what it searches. `storage` is None for the sweep's own database."""
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
        """The recipe that trials change; its data need not be there."""
        return load_stored(self.recipe, None)

    @contextmanager
    def coordinated(self) -> Iterator[None]:
        """Be the only one that runs this sweep from this folder; SweepError where somebody is."""
        import fcntl

        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "coordinator.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise SweepError(
                    f"the sweep {self.name} is being run by another `wb sweep` in {self.path}; look at it with: wb sweep show {self.name}"
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
    """A hash of all that decides what trials do and which come next."""
    text = json.dumps(_decides(recipe), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def difference(old: Recipe, new: Recipe) -> list[str]:
    """What decides and differs, a line each."""
    before, after = _decides(old), _decides(new)
    return [
        f"{key}: {before.get(key, 'not there')!r} -> {after.get(key, 'not there')!r}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]


def _decides(recipe: Recipe) -> dict[str, object]:
    return {key: value for key, value in recipe.flat().items() if key not in MAY_CHANGE}
