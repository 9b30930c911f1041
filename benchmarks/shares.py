"""python -m benchmarks.shares: the share of data loading and of recording in the time of a training run."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from workbench.journal import Journal
from workbench.progress import Stop
from workbench.recipe import load
from workbench.runs import Plan, open_session
from workbench.tracking import Delivery
from workbench.training import Batches

REPOSITORY = Path(__file__).parents[1]


def main() -> None:
    """Train, and measure the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", type=Path, default=REPOSITORY / "recipes" / "cars_linear.toml")
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    without_evaluation = [
        "evaluate.at_start=false",
        "evaluate.every=0",
        "evaluate.features=[]",
        "evaluate.samples=2",
        "train.validate_every=0",
    ]
    recipe = load(options.recipe, [*without_evaluation, f"train.steps={options.steps}", "train.max_minutes=60"])
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        data, journal, sending = _Timed(Batches.at), _Timed(Journal.numbers_at), _Timed(Delivery.send)
        Batches.at, Journal.numbers_at = data.method(), journal.method()  # type: ignore[method-assign]
        Delivery.send = sending.method()  # type: ignore[method-assign]
        with open_session(Plan(recipe, options.recipe), home, device=torch.device("cpu"), warn=print) as session:
            started = time.perf_counter()
            for progress in session.train(Stop(), print):
                if progress.step >= options.steps:
                    break
            whole = time.perf_counter() - started
    print(f"{recipe.name}: {options.steps} steps, {1000.0 * whole / options.steps:.1f} ms each")
    print(f"data and transfer: {data.seconds / whole:.2%}")
    print(f"numbers into the journal: {journal.seconds / whole:.2%}")
    print(f"sending them to MLflow, in another thread: {sending.seconds / whole:.2%}")


class _Timed:
    """Measures the total time of a method."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function, self.seconds = function, 0.0

    def method(self) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return self._function(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - started

        return timed


if __name__ == "__main__":
    main()
