"""python -m benchmarks.shares: what part of a training run are its data, and what part its record in MLflow?"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from workbench.cli.tracked import start_tracking
from workbench.home import cache_folder
from workbench.journal import Journal
from workbench.model import assemble
from workbench.recipe import load, save
from workbench.runs import create_run, record_run
from workbench.tracking import Delivery
from workbench.training import Batches, train

REPOSITORY = Path(__file__).parents[1]


def main() -> None:
    """Train, and time what is asked about on the way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", type=Path, default=REPOSITORY / "recipes" / "cars_linear.toml")
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    nothing_else = [
        "evaluate.at_start=false",
        "evaluate.every=0",
        "evaluate.features=[]",
        "evaluate.samples=2",
        "train.validate_every=0",
    ]
    recipe = load(options.recipe, [*nothing_else, f"train.steps={options.steps}", "train.max_minutes=60"])
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        run = create_run(home, recipe.name)
        save(recipe, run.recipe)
        parts = assemble(recipe, torch.device("cpu"), cache_folder(home))
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        record = start_tracking(run, parts, options.recipe, None, home, print)
        data, journal, sending = _Timed(Batches.at), _Timed(Journal.numbers_at), _Timed(Delivery.send)
        Batches.at, Journal.numbers_at = data.method(), journal.method()  # type: ignore[method-assign]
        Delivery.send = sending.method()  # type: ignore[method-assign]
        started = time.perf_counter()
        for moment in record_run(train(parts, run.checkpoints), run, record.tracker, print):
            if moment.step >= options.steps:
                break
        whole = time.perf_counter() - started
    print(f"{recipe.name}: {options.steps} steps, {1000.0 * whole / options.steps:.1f} ms each")
    print(f"data and transfer: {data.seconds / whole:.2%}")
    print(f"numbers into the journal: {journal.seconds / whole:.2%}")
    print(f"sending them to MLflow, in a thread beside: {sending.seconds / whole:.2%}")


class _Timed:
    """A method that counts its seconds."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function, self.seconds = function, 0.0

    def method(self) -> Callable[..., Any]:
        def timed(*words: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                return self._function(*words, **named)
            finally:
                self.seconds += time.perf_counter() - started

        return timed


if __name__ == "__main__":
    main()
