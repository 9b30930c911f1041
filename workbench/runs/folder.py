"""Run folders: runs/<id>/ with the recipe, journal, pictures and checkpoints of one run."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workbench.errors import CheckpointError
from workbench.files import clear_debris, exclusive_lock, is_file, is_locked, storage_errors, write_json
from workbench.instants import instant_of, utc_now
from workbench.interfaces import RunStatus
from workbench.journal import Journal

SCHEMA = 1
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run; its name is the run's id."""

    path: Path

    @property
    def id(self) -> str:
        """What the command line calls the run."""
        return self.path.name

    @property
    def home(self) -> Path:
        """The WB_HOME it lies in."""
        return self.path.parent.parent

    @property
    def recipe(self) -> Path:
        """The resolved recipe: running it again repeats the run."""
        return self.path / "recipe.toml"

    @property
    def spec(self) -> Path:
        """What the run was trained on: shape, classes and fingerprints of the data."""
        return self.path / "spec.json"

    @property
    def checkpoints(self) -> Path:
        """One folder per kept step."""
        return self.path / "checkpoints"

    @property
    def pictures(self) -> Path:
        """Pictures as `<key>_<step>.png`."""
        return self.path / "pictures"

    @property
    def evaluations(self) -> Path:
        """What `wb eval` measured: one file per combination, plots and pictures."""
        return self.path / "evaluations"

    def exists(self) -> bool:
        """True if a run has been started in this folder."""
        return (self.path / "run.json").is_file()

    def info(self) -> dict[str, Any]:
        """What run.json says: id, name, created, status, step, the tracking run."""
        try:
            info = json.loads((self.path / "run.json").read_text())
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{self.path}: no run can be read here ({error})") from error
        if not isinstance(info, dict) or info.get("schema") != SCHEMA:
            raise CheckpointError(f"{self.path}: written by another version of the workbench")
        return info

    def update(self, **changes: object) -> None:
        """Change fields of run.json."""
        write_json(self.path / "run.json", {**self.info(), **changes})

    def status(self) -> RunStatus | Literal["RUNNING"]:
        """How it ended; KILLED too where it says RUNNING and no process is there that writes it."""
        told = self.info().get("status")
        if told == "RUNNING" and is_locked(self._lock):
            return "RUNNING"
        return told if told in ("FINISHED", "FAILED") else "KILLED"

    @contextlib.contextmanager
    def writing(self, seconds: float = 1.0) -> Iterator[None]:
        """Be the one process that writes this run; CheckpointError where another one still is after `seconds`.

        One who asks for the status holds the lock for an instant, which is waited for.
        What a process left half written that was killed is removed first.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(exclusive_lock(self._lock, seconds))
            except TimeoutError as error:
                raise CheckpointError(
                    f"run {self.id} is being written by {error}; wait for it, or stop it with Ctrl-C where it runs"
                ) from error
            clear_debris(self.path)
            yield

    @property
    def _lock(self) -> Path:
        return self.path / "writer.lock"

    def journal(self) -> Journal:
        """A connection to the run's journal, for one thread."""
        return Journal(self.path / "journal.sqlite", self.id)

    def recorded(self) -> int:
        """How many numbers are in the journal."""
        with contextlib.closing(self.journal()) as journal:
            return journal.position()

    def numbers(self) -> list[dict[str, Any]]:
        """The metrics in the order in which they were said: step, metrics, cards."""
        older = self._older_numbers()
        if not (self.path / "journal.sqlite").exists():
            return older
        with contextlib.closing(self.journal()) as journal:
            return [*older, *journal.lines()]

    def _older_numbers(self) -> list[dict[str, Any]]:
        """Those of a run that was begun before there were journals; a line cut off by a crash is left out."""
        path = self.path / "metrics.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def final(self) -> tuple[dict[str, float], dict[str, dict[str, Any]]]:
        """The last value of every metric, and the cards of those that have one."""
        metrics: dict[str, float] = {}
        cards: dict[str, dict[str, Any]] = {}
        for line in self.numbers():
            metrics |= line["metrics"]
            cards |= line.get("cards", {})
        return metrics, cards

    def newest_picture(self, key: str) -> Path | None:
        """The picture of the latest step under a key."""
        found = sorted(self.pictures.glob(f"{key}_*.png"))
        return found[-1] if found else None


def create_run(home: Path, name: str) -> RunFolder:
    """A new folder under `home`/runs, named after recipe and time in UTC; CheckpointError where `name` is none that a folder should have."""
    if not NAME.fullmatch(name):
        raise CheckpointError(f"{name!r:.80} cannot be the name of a run: letters, digits and . _ - only, and 80 of them at most")
    run = RunFolder(home / "runs" / f"{name}-{utc_now():%Y%m%d-%H%M%SZ}-{secrets.token_hex(2)}")
    with storage_errors(run.path):
        run.path.mkdir(parents=True)
    open_folder(run, name)
    return run


def open_folder(run: RunFolder, name: str) -> None:
    """Say in a run's folder that it is running; what an earlier process said of it stays."""
    if (run.path / "run.json").exists():
        run.update(status="RUNNING")
        return
    created = utc_now().isoformat()
    write_json(
        run.path / "run.json", {"schema": SCHEMA, "id": run.id, "name": name, "created": created, "status": "RUNNING", "step": 0}
    )


def list_runs(home: Path) -> list[RunFolder]:
    """All runs that can be read, the oldest first."""
    found = []
    for path in (home / "runs").glob("*/run.json"):
        with contextlib.suppress(CheckpointError):
            run = RunFolder(path.parent)
            found.append((instant_of(run.info().get("created")), run.id, run))
    return [run for *_, run in sorted(found, key=lambda row: row[:2])]


def find_run(home: Path, text: str) -> RunFolder:
    """The run meant by a folder, an id, the beginning of one, a recipe's name (its newest run) or "latest"."""
    if not text:
        raise CheckpointError("name a run: its id, the beginning of it, a recipe's name or `latest`")
    if is_file(Path(text) / "run.json"):
        return RunFolder(Path(text).resolve())
    runs = list_runs(home)
    if text == "latest" and runs:
        return runs[-1]
    if named := [run for run in runs if run.id == text] or [run for run in runs if run.info().get("name") == text]:
        return named[-1]
    started = [run for run in runs if run.id.startswith(text)]
    if len(started) == 1:
        return started[0]
    if started:
        raise CheckpointError(
            f"{text!r:.80} is the beginning of {len(started)} runs: {', '.join(run.id for run in started[-4:])}"
        )
    known = (
        f"runs there: {', '.join(run.id for run in runs[-4:])}"
        if runs
        else "there are none yet: wb run recipes/cars_linear.toml (where they are elsewhere, set WB_HOME to the folder that holds runs/)"
    )
    raise CheckpointError(f"no run {text!r:.80} in {home / 'runs'}; {known}")
