"""What is measured, a file each."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results import Comparison

__all__ = ["CASES", "Setup", "comparisons"]

CASES = ("training", "sampling", "features", "frechet", "startup", "growth")


@dataclass(frozen=True)
class Setup:
    """How thoroughly, and with what."""

    quick: bool  # small work: to see that everything runs, not to learn how fast
    inception: Path | None  # weights good for 768-d features, where there are any


def comparisons(case: str, setup: Setup) -> Iterator[Comparison]:
    """The comparisons of a case, each made when its turn comes."""
    made: Iterator[Comparison] = importlib.import_module(f"benchmarks.cases.{case}").comparisons(setup)
    return made
