"""The benchmark cases, one file each."""

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
    """Size of the work, and the weights."""

    quick: bool  # small work, to check that everything runs
    inception: Path | None  # weights for 768-d features, if there are any


def comparisons(case: str, setup: Setup) -> Iterator[Comparison]:
    """Yield the comparisons of a case, each created when it is needed."""
    case_comparisons: Iterator[Comparison] = importlib.import_module(f"benchmarks.cases.{case}").comparisons(setup)
    return case_comparisons
