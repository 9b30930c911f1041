"""The time until a command has printed its output, or trained its first step."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import networks
from benchmarks.cases import Setup
from benchmarks.data import scratch
from benchmarks.results import Comparison
from benchmarks.timing import Action, Contender

REPOSITORY = Path(__file__).parents[2]
WB = str(Path(sys.executable).with_name("wb"))
SECONDS = 300.0  # time limit of the first step
FIRST = "ours: wb run, its folder only"


def comparisons(setup: Setup) -> Iterator[Comparison]:
    """Yield commands that only print, and the time to the first optimizer step."""
    for arguments in (["--help"], ["list"]):
        name = f"ours: wb {' '.join(arguments)}"
        yield Comparison(
            case="startup",
            title=f"wb {' '.join(arguments)}",
            unit="s",
            work=1,
            reference=name,
            contenders=(Contender(name, lambda _, words=tuple(arguments): _command([WB, *words])),),  # type: ignore[misc]
        )
    yield Comparison(
        case="startup",
        title="from the command to the end of the first training step",
        unit="s",
        work=1,
        reference=FIRST,
        contenders=(
            Contender(FIRST, lambda _: _first_step(["--no-track"])),
            Contender("ours: wb run, recorded in MLflow", lambda _: _first_step([])),
            Contender("diffusers: script", lambda _: _command([sys.executable, "-m", "benchmarks.first_step", "diffusers"])),
            Contender(
                "denoising-diffusion-pytorch: script",
                lambda _: _command([sys.executable, "-m", "benchmarks.first_step", "denoising-diffusion-pytorch"]),
            ),
        ),
        facts={
            FIRST: "cars_linear with the network and batch of the diffusers script; its images are already in the cache",
            "diffusers: script": "imports, network of 6.47 M parameters, one step on 16 images",
        },
    )


def _command(words: Sequence[str]) -> Action:
    return lambda: subprocess.run(words, cwd=REPOSITORY, check=True, capture_output=True)


def _first_step(options: Sequence[str]) -> Action:
    """Run until the numbers of the first step are in the run's folder, then kill it. The first, untimed call creates the cache."""
    home = scratch() / "home"
    denoiser = [f"denoiser.{name}={value}" for name, value in networks.unet().items()]
    settings = [*denoiser, "train.batch_size=16", "train.log_every=1", "evaluate.at_start=false"]
    words = [WB, "run", "recipes/cars_linear.toml", *options, *(word for setting in settings for word in ("--set", setting))]
    environment = {**os.environ, "WB_HOME": str(home)}
    environment.pop("MLFLOW_TRACKING_URI", None)

    def run() -> None:
        before = set(home.glob("runs/*"))
        process = subprocess.Popen(words, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_for_numbers(home / "runs", before, process)
        finally:
            process.kill()  # its results are not needed, and its shutdown is not part of the start-up
            process.wait()

    return run


def _wait_for_numbers(runs: Path, before: set[Path], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS
    while not any(_has_numbers(folder / "journal.sqlite") for folder in set(runs.glob("*")) - before):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("wb run ended or exceeded the time limit before its first training step")
        time.sleep(0.005)


def _has_numbers(journal: Path) -> bool:
    """True if numbers have been recorded; opened read-only, so that the journal is not created here."""
    try:
        with contextlib.closing(sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True)) as connection:
            return bool(connection.execute("select count(*) from numbers").fetchone()[0])
    except sqlite3.Error:
        return False
