"""Run folders: runs/<id>/ with the recipe, numbers, pictures and checkpoints of one run."""

from __future__ import annotations

import contextlib
import datetime
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import CheckpointError
from workbench.files import write_json

__all__ = ["RunFolder", "create_run", "find_run", "list_runs", "open_folder"]

SCHEMA = 1


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

    def log(self, step: int, metrics: Mapping[str, float], cards: Mapping[str, Mapping[str, Any]]) -> None:
        """Append numbers to metrics.jsonl, those with cards together with them."""
        line = {"step": step, "metrics": dict(metrics), **({"cards": cards} if cards else {})}
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def numbers(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl; one cut off by a crash is left out."""
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
    """A new folder under `home`/runs, named after recipe and time."""
    now = datetime.datetime.now().astimezone()
    run = RunFolder(home / "runs" / f"{name}-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}")
    run.path.mkdir(parents=True)
    open_folder(run, name)
    return run


def open_folder(run: RunFolder, name: str) -> None:
    """Say in a run's folder that it is running; what an earlier process said of it stays."""
    if (run.path / "run.json").exists():
        run.update(status="RUNNING")
        return
    created = datetime.datetime.now().astimezone().isoformat()
    write_json(
        run.path / "run.json", {"schema": SCHEMA, "id": run.id, "name": name, "created": created, "status": "RUNNING", "step": 0}
    )


def list_runs(home: Path) -> list[RunFolder]:
    """All runs that can be read, the oldest first."""
    found = []
    for path in (home / "runs").glob("*/run.json"):
        with contextlib.suppress(CheckpointError):
            run = RunFolder(path.parent)
            found.append((str(run.info().get("created")), run.id, run))
    return [run for *_, run in sorted(found, key=lambda row: row[:2])]


def find_run(home: Path, text: str) -> RunFolder:
    """The run meant by a folder, an id, the beginning of one, a recipe's name (its newest run) or "latest"."""
    if Path(text).joinpath("run.json").exists():
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
        raise CheckpointError(f"'{text}' is the beginning of {len(started)} runs: {', '.join(run.id for run in started[-4:])}")
    known = (
        f"runs there: {', '.join(run.id for run in runs[-4:])}" if runs else "there are none yet: wb run recipes/cars_linear.toml"
    )
    raise CheckpointError(f"no run '{text}' in {home / 'runs'}; {known}")
