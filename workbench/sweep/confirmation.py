"""Comparison of the best trials on new images: the best of many noisy measurements is biased, a new measurement is not.

The minimum of n noisy values is biased towards low ones (the winner's curse). New images of the same networks are not: each of the best
trials is measured on several draws, with the same seeds for all, and reported are means, and paired differences, with 95 % intervals
of Student's t. They hold for the networks that were trained; they do not cover training again with another seed.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.files import write_json
from workbench.recipe import Recipe
from workbench.sweep.folder import SweepFolder
from workbench.sweep.objectives import SearchTarget


@dataclass(frozen=True)
class Interval:
    """A mean and half the width of its 95 % interval."""

    mean: float
    half: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Interval:
        """The interval of at least two values, by Student's t."""
        from scipy.stats import t

        quantile = float(t.ppf(0.975, len(values) - 1))
        return cls(statistics.fmean(values), quantile * statistics.stdev(values) / math.sqrt(len(values)))

    @property
    def contains_zero(self) -> bool:
        """True if 0 lies in the interval."""
        return abs(self.mean) <= self.half


@dataclass(frozen=True)
class Confirmation:
    """The best trials, measured again: `values` by trial number, the best first, and paired differences `behind` the best."""

    metric: str
    seeds: int
    samples: int
    values: Mapping[int, Interval]
    behind: Mapping[int, Interval]

    @property
    def best(self) -> int:
        """The trial with the best mean."""
        return next(iter(self.values))

    @property
    def not_distinguishable(self) -> list[int]:
        """The trials whose difference from the best may be zero."""
        return [number for number, difference in self.behind.items() if difference.contains_zero]

    def to_dict(self) -> dict[str, Any]:
        """The content of confirmed.json."""
        return {
            "metric": self.metric,
            "draws": self.seeds,
            "samples": self.samples,
            "best": self.best,
            "not_distinguishable": self.not_distinguishable,
            "trials": [self._trial(number, value) for number, value in self.values.items()],
        }

    def _trial(self, number: int, value: Interval) -> dict[str, Any]:
        trial = {"number": number, "mean": value.mean, "half_width_95": value.half}
        if number not in self.behind:
            return trial
        return trial | {"behind": self.behind[number].mean, "behind_half_width_95": self.behind[number].half}


def write_confirmation(
    folder: SweepFolder, recipe: Recipe, target: SearchTarget, values: Mapping[int, Sequence[float]]
) -> Confirmation:
    """Compare the values of each trial on the same draws, and write the result into the sweep's folder."""
    settings = recipe.sweep
    means = {number: Interval.of(draws) for number, draws in values.items()}
    sign = 1.0 if target.direction == "minimize" else -1.0
    ranked = sorted(means, key=lambda number: sign * means[number].mean)
    best = values[ranked[0]]
    behind = {
        number: Interval.of([value - best_value for value, best_value in zip(values[number], best, strict=True)])
        for number in ranked[1:]
    }
    samples = (settings.confirm_samples if settings else None) or recipe.evaluate.samples
    confirmation = Confirmation(target.metric, len(best), samples, {number: means[number] for number in ranked}, behind)
    write_json(folder.results / "confirmed.json", confirmation.to_dict())
    return confirmation


def read_confirmation(folder: SweepFolder) -> dict[str, Any] | None:
    """The content of confirmed.json; None before the end of the sweep."""
    try:
        confirmed: dict[str, Any] = json.loads((folder.results / "confirmed.json").read_text())
    except (OSError, ValueError):
        return None
    return confirmed
