"""Runs that are killed, resumed, and compared with an undisturbed one."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.runs.folder import RunFolder, list_runs
from workbench.tracking.records import CONSTANTS

WB = [sys.executable, "-m", "workbench"]
TINY = Path(__file__).parents[1] / "tiny.toml"
SETTINGS = """
denoiser = { use = "unet", channels = 16, multipliers = [1], blocks = 1, attention = [], dropout = 0.1 }
sampler = { use = "ddpm", steps = 5 }
[train]
steps = STEPS
batch_size = 8
warmup = 10
validate_every = 20
checkpoint_every = 10
log_every = 5
[evaluate]
samples = 16
batch_size = 8
every = 50
at_start = true
grid = 16
neighbours = 4
real = 200
"""
# Measurements of time and memory, which differ between equal runs.
CLOCKS = ("train/images_per_second", "train/minutes", "train/peak_memory_mib", "eval/sampling_seconds", "eval/samples_per_second",
          "eval/seconds", "eval/total_seconds", "eval/share")  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What must be equal: hashes of the last checkpoint's tensors and of the images, and numbers by (key, step)."""

    tensors: dict[str, str]
    pictures: dict[str, str]
    numbers: dict[tuple[str, int], str]
    doubled: int

    def differences(self, other: Outcome) -> list[str]:
        """The differences from another run."""
        differences = []
        for name in ("tensors", "pictures", "numbers"):
            mine, theirs = getattr(self, name), getattr(other, name)
            differences += [f"{name}: {key}" for key in sorted({*mine, *theirs}, key=str) if mine.get(key) != theirs.get(key)]
        return differences


def environment(home: Path, **more: str) -> dict[str, str]:
    """Variables for a process: one thread, its home, no colours."""
    variables = {key: value for key, value in os.environ.items() if key not in ("WB_FAULT", "MLFLOW_TRACKING_URI")}
    return {**variables, "WB_HOME": str(home), "NO_COLOR": "1", "OMP_NUM_THREADS": "1", **more}


def written_recipe(folder: Path, name: str, steps: int) -> Path:
    """Write the recipe of all these runs to a file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(f"extends = '{TINY}'\nname = '{name}'\n" + SETTINGS.replace("STEPS", str(steps)))
    return path


def start_wb(words: list[str], home: Path, log: Path, **more: str) -> subprocess.Popen[bytes]:
    """Start a `wb` command in another process."""
    with log.open("ab") as file:
        return subprocess.Popen([*WB, *words], env=environment(home, **more), stdout=file, stderr=file, start_new_session=True)


def run_of(home: Path, name: str) -> RunFolder | None:
    """The newest run of a recipe."""
    return next((run for run in reversed(list_runs(home)) if run.info().get("name") == name), None)


def wait_until_running(home: Path, name: str, process: subprocess.Popen[bytes], seconds: float = 120.0) -> bool:
    """Wait until the process writes the run; False if it ends before that."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        run = run_of(home, name)
        if run is not None and run.status() == "RUNNING":
            return True
        time.sleep(0.02)
    return False


def outcome_of(run: RunFolder) -> Outcome:
    """The outcome of a finished run."""
    newest = sorted(run.checkpoints.glob("step_*"))[-1]
    tensors = {path.name: _hash(path) for path in newest.glob("*.safetensors")}
    pictures = {path.name: _hash(path) for path in run.pictures.iterdir()}
    seen: Counter[tuple[str, int]] = Counter()
    numbers = {}
    for line in run.numbers():
        for key, value in line["metrics"].items():
            seen[key, line["step"]] += 1
            if key not in CLOCKS:
                numbers[key, line["step"]] = float(value).hex()
    return Outcome(tensors, pictures, numbers, sum(count - 1 for count in seen.values()))


def finished_times(run: RunFolder) -> int:
    """How often a run finished."""
    with closing(run.journal()) as journal:
        return sum(event == "finished" for event, _ in journal.events())


def stored_numbers(client: Any, run: RunFolder) -> Counter[tuple[str, int, str]]:
    """(key, step, value) of all numbers of a run in an MLflow store."""
    with closing(run.journal()) as journal:
        run_id = journal.meta("tracking_run")
    keys = client.get_run(run_id).data.metrics
    return Counter(
        (key, point.step, float(point.value).hex()) for key in keys for point in client.get_metric_history(run_id, key)
    )


def journal_numbers(run: RunFolder) -> Counter[tuple[str, int, str]]:
    """(key, step, value) of all numbers of a run in its journal."""
    return Counter(
        (key, line["step"], float(value).hex())
        for line in run.numbers()
        for key, value in line["metrics"].items()
        if key not in CONSTANTS  # stored as a param of the run
    )


def finish(words: list[str], home: Path, log: Path, **more: str) -> None:
    """Run a command to its end; SystemExit with its log if it fails."""
    code = start_wb(words, home, log, **more).wait()
    if code != 0:
        raise SystemExit(f"`wb {' '.join(words)}` ended with {code}; its log:\n{log.read_text()[-3000:]}")


def kill(process: subprocess.Popen[bytes]) -> bool:
    """Send SIGKILL; False if the process had ended."""
    if process.poll() is not None:
        return False
    process.send_signal(signal.SIGKILL)
    process.wait()
    return True


def print_findings(summary: dict[str, object], wrong: list[str]) -> int:
    """Print the findings as JSON; the exit code."""
    print(json.dumps({**summary, "wrong": wrong}, indent=2))
    return 1 if wrong else 0


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
