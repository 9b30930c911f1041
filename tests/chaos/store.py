"""Moves and copies the home, and deletes the experiment, between runs; in the end the store must have every run in full.

python tests/chaos/store.py --times 9
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
from fork_server import ForkServer
from runs import environment, journal_numbers, print_findings, run_of, stored_numbers, written_recipe

from workbench.runs.folder import RunFolder, list_runs
from workbench.tracking import default_uri

os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
STEPS = 20
NAMES = ("plain", "with a space", "50%", "a#b?c", "grün")  # of homes


@dataclass
class Scene:
    """A home that is moved and copied."""

    folder: Path
    server: ForkServer
    home: Path
    wrong: list[str] = field(default_factory=list)
    runs: int = 0

    def wb(self, *words: str) -> tuple[int, str]:
        """Exit code and output of a command in this home."""
        log = self.folder / "log"
        log.unlink(missing_ok=True)
        code = self.server.start(list(words), log, WB_HOME=str(self.home)).wait(600.0)
        return code, " ".join(log.read_text().split())

    def expect(self, code: int, words: str, *command: str) -> None:
        """Run a command that must end with this exit code and print these words."""
        actual, text = self.wb(*command)
        if actual != code or words not in text or "Traceback" in text:
            self.wrong.append(f"wb {' '.join(command)}: exit code {actual}, expected {code} and {words!r}: {text[-500:]}")

    def train(self, words: str = "") -> None:
        """Train a tracked run of a new name, which must print these words."""
        self.expect(0, words, "run", str(written_recipe(self.folder, f"run-{self.runs}", STEPS)))
        self.runs += 1

    def client(self) -> Any:
        """A client of the home's own store."""
        from mlflow.tracking import MlflowClient

        return MlflowClient(default_uri(self.home))


def move(scene: Scene, home: Path) -> None:
    """Rename the home; nothing may appear at its old place afterwards."""
    before = scene.home
    scene.home = scene.home.rename(home)
    scene.train()
    if before.exists():
        scene.wrong.append(f"{before.name}: exists again after a move")


def copy(scene: Scene, home: Path) -> None:
    """Continue in a copy of the home; the original must stay as it is."""
    original, before = scene.home, _contents(scene.home)
    scene.home = shutil.copytree(scene.home, home)
    scene.train()
    if _contents(original) != before:
        scene.wrong.append(f"{original.name}: changed by a run in its copy")
    shutil.rmtree(original)


def delete(scene: Scene, home: Path) -> None:
    """Delete the experiment, train, and restore it; then the unsent records must be sent."""
    scene.train()
    client = scene.client()
    experiment = client.get_experiment_by_name("workbench").experiment_id
    client.delete_experiment(experiment)
    scene.train("mlflow experiments restore")
    scene.expect(1, "is deleted", "sync")
    client.restore_experiment(experiment)


EVENTS: tuple[tuple[str, Callable[[Scene, Path], None]], ...] = (
    ("moved homes", move),
    ("copied homes", copy),
    ("deleted experiments", delete),
)


def main() -> int:
    """Apply the events in turn; 0 if the store has everything of every run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=9, help="moves, copies and deletions in total")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, done = random.Random(options.seed), Counter[str]()
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top)
        with closing(ForkServer(environment(folder / "home"))) as server:
            scene = Scene(folder, server, folder / "home")
            scene.train()
            for time in range(options.times):
                label, event = EVENTS[time % len(EVENTS)]
                event(scene, folder / f"{time} {rng.choice(NAMES)}")
                scene.expect(0, "", "sync")
                done[label] += 1
            return _judge(scene, done)


def _judge(scene: Scene, done: Counter[str]) -> int:
    client, numbers, files = scene.client(), 0, 0
    runs = [run_of(scene.home, f"run-{k}") for k in range(scene.runs)]
    if any(run is None for run in runs) or len(list_runs(scene.home)) != scene.runs:
        scene.wrong.append(f"{len(list_runs(scene.home))} runs of {scene.runs}")
    for run in filter(None, runs):
        here, there = journal_numbers(run), stored_numbers(client, run)
        numbers += here.total()
        if here != there:
            scene.wrong.append(f"{run.id}: {(here - there).total()} numbers lost, {(there - here).total()} doubled")
        files += _same_files(client, run, scene.wrong)
    return print_findings({**done, "runs": scene.runs, "numbers": numbers, "files read back from the store": files}, scene.wrong)


def _same_files(client: Any, run: RunFolder, wrong: list[str]) -> int:
    """Compare a run's images and checkpoint in the store with its folder; how many files are equal."""
    with closing(run.journal()) as journal:
        run_id = journal.meta("tracking_run")
    if (status := client.get_run(run_id).info.status) != "FINISHED":
        wrong.append(f"{run.id}: {status} in the store")
    newest = sorted(run.checkpoints.glob("step_*"))[-1]
    expected = Counter(map(_hash, [*run.pictures.glob("*.png"), newest / "ema.safetensors"]))
    with tempfile.TemporaryDirectory() as folder:
        client.download_artifacts(run_id, "", folder)
        stored = Counter(map(_hash, (path for path in Path(folder).rglob("*") if path.is_file())))
    if missing := expected - stored:
        wrong.append(f"{run.id}: {missing.total()} of {expected.total()} files are not in the store, or differ")
    return (expected & stored).total()


def _contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): _hash(path) for path in folder.rglob("*") if path.is_file()}


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
