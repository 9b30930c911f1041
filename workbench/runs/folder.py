"""Run folders: runs/<id>/ with the recipe, journal, images and checkpoints of one run."""

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
        """The run's id."""
        return self.path.name

    @property
    def home(self) -> Path:
        """The WB_HOME that contains it."""
        return self.path.parent.parent

    @property
    def recipe(self) -> Path:
        """The resolved recipe; running it repeats the run."""
        return self.path / "recipe.toml"

    @property
    def spec(self) -> Path:
        """Shape, classes and fingerprints of the training data."""
        return self.path / "spec.json"

    @property
    def checkpoints(self) -> Path:
        """One folder per checkpoint."""
        return self.path / "checkpoints"

    @property
    def pictures(self) -> Path:
        """Image grids as `<key>_<step>.png`."""
        return self.path / "pictures"

    @property
    def evaluations(self) -> Path:
        """Results of `wb eval`: one file per combination, plots and grids."""
        return self.path / "evaluations"

    def exists(self) -> bool:
        """True if a run has been started in this folder."""
        return (self.path / "run.json").is_file()

    def info(self) -> dict[str, Any]:
        """The fields of run.json: id, name, created, status, step, components, ...; CheckpointError if it cannot be read."""
        try:
            info = json.loads((self.path / "run.json").read_text())
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{self.path}: run.json cannot be read ({error})") from error
        if not isinstance(info, dict) or info.get("schema") != SCHEMA:
            raise CheckpointError(f"{self.path}: written by another version of the workbench")
        return info

    def update(self, **changes: object) -> None:
        """Change fields of run.json."""
        write_json(self.path / "run.json", {**self.info(), **changes})

    def status(self) -> RunStatus | Literal["RUNNING"]:
        """The status of the run; KILLED if run.json says RUNNING and no process is writing the folder."""
        stored = self.info().get("status")
        if stored == "RUNNING" and is_locked(self._lock):
            return "RUNNING"
        return stored if stored in ("FINISHED", "FAILED") else "KILLED"

    @contextlib.contextmanager
    def writing(self, seconds: float = 1.0) -> Iterator[None]:
        """A context in which this process alone writes the run; CheckpointError if another one still does after `seconds`.

        `status` of another process holds the lock for an instant, which is waited for. Unfinished files of a killed process are removed first.
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
        """The number of numbers in the journal."""
        with contextlib.closing(self.journal()) as journal:
            return journal.position()

    def numbers(self) -> list[dict[str, Any]]:
        """The metrics in the order in which they were recorded: step, metrics, cards."""
        older = self._older_numbers()
        if not (self.path / "journal.sqlite").exists():
            return older
        with contextlib.closing(self.journal()) as journal:
            return [*older, *journal.lines()]

    def _older_numbers(self) -> list[dict[str, Any]]:
        """The numbers of a run that was started before there were journals, without a line cut off by a crash."""
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
        """The grid of the latest step under a key; None if there is none."""
        paths = sorted(self.pictures.glob(f"{key}_*.png"))
        return paths[-1] if paths else None


def create_run(home: Path, name: str) -> RunFolder:
    """A new folder under `home`/runs, named after recipe and time in UTC; CheckpointError if `name` is not fit for a folder."""
    if not NAME.fullmatch(name):
        raise CheckpointError(f"{name!r:.80} cannot be the name of a run: letters, digits and . _ - only, and 80 of them at most")
    run = RunFolder(home / "runs" / f"{name}-{utc_now():%Y%m%d-%H%M%SZ}-{secrets.token_hex(2)}")
    with storage_errors(run.path):
        run.path.mkdir(parents=True)
    open_folder(run, name)
    return run


def open_folder(run: RunFolder, name: str) -> None:
    """Write run.json with the status RUNNING; other fields of an existing one are kept."""
    if (run.path / "run.json").exists():
        run.update(status="RUNNING")
        return
    created = utc_now().isoformat()
    write_json(
        run.path / "run.json", {"schema": SCHEMA, "id": run.id, "name": name, "created": created, "status": "RUNNING", "step": 0}
    )


def list_runs(home: Path) -> list[RunFolder]:
    """All runs with a readable run.json, oldest first."""
    rows = []
    for path in (home / "runs").glob("*/run.json"):
        with contextlib.suppress(CheckpointError):
            run = RunFolder(path.parent)
            rows.append((instant_of(run.info().get("created")), run.id, run))
    return [run for *_, run in sorted(rows, key=lambda row: row[:2])]


def find_run(home: Path, text: str) -> RunFolder:
    """The run given by its folder, its id, a prefix of it, a recipe's name (its newest run) or "latest"; CheckpointError if there is none."""
    if not text:
        raise CheckpointError("name a run: its id, a prefix of it, a recipe's name or `latest`")
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
        raise CheckpointError(f"{text!r:.80} is a prefix of {len(started)} runs: {', '.join(run.id for run in started[-4:])}")
    existing = (
        f"runs there: {', '.join(run.id for run in runs[-4:])}"
        if runs
        else "there are none yet: wb run recipes/cars_linear.toml (if they are elsewhere, set WB_HOME to the folder that contains runs/)"
    )
    raise CheckpointError(f"no run {text!r:.80} in {home / 'runs'}; {existing}")
