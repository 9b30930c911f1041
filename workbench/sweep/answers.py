"""The winner's curse: whoever was best of many was also lucky. The best are drawn again, with other noise, and compared.

The best of n noisy values is biased towards good ones. New images of the same networks are not: each of the best is measured on several draws, the
same ones for all, and what is told are means, and differences in pairs, with 95 % intervals of Student's t. They hold for the networks that were
trained; what training again with another seed would change is not in them.
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
        """Of at least two values, by Student's t."""
        from scipy.stats import t

        quantile = float(t.ppf(0.975, len(values) - 1))
        return cls(statistics.fmean(values), quantile * statistics.stdev(values) / math.sqrt(len(values)))

    @property
    def holds_zero(self) -> bool:
        """Whether 0 lies in it."""
        return abs(self.mean) <= self.half


@dataclass(frozen=True)
class Answer:
    """What the best trials are worth: by number, the best first; each one's difference from the best, in pairs of draws."""

    metric: str
    seeds: int
    samples: int
    values: Mapping[int, Interval]
    behind: Mapping[int, Interval]

    @property
    def best(self) -> int:
        """The trial whose mean is best."""
        return next(iter(self.values))

    @property
    def alike(self) -> list[int]:
        """Those that cannot be told from the best."""
        return [number for number, difference in self.behind.items() if difference.holds_zero]

    def table(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "metric": self.metric,
            "draws": self.seeds,
            "samples": self.samples,
            "best": self.best,
            "not_distinguishable": self.alike,
            "trials": [
                {
                    "number": number,
                    "mean": each.mean,
                    "half_width_95": each.half,
                    **(
                        {"behind": self.behind[number].mean, "behind_half_width_95": self.behind[number].half}
                        if number in self.behind
                        else {}
                    ),
                }
                for number, each in self.values.items()
            ],
        }


def answer(folder: SweepFolder, recipe: Recipe, aim: SearchTarget, values: Mapping[int, Sequence[float]]) -> Answer:
    """Means and differences, written to the sweep's results."""
    settings = recipe.sweep
    means = {number: Interval.of(each) for number, each in values.items()}
    ranked = sorted(means, key=lambda number: means[number].mean if aim.direction == "minimize" else -means[number].mean)
    best = values[ranked[0]]
    behind = {
        number: Interval.of([other - own for other, own in zip(values[number], best, strict=True)]) for number in ranked[1:]
    }
    samples = (settings.confirm_samples if settings else None) or recipe.evaluate.samples
    found = Answer(aim.metric, len(best), samples, {number: means[number] for number in ranked}, behind)
    write_json(folder.results / "confirmed.json", found.table())
    return found


def read_answer(folder: SweepFolder) -> dict[str, Any] | None:
    """What was found at the end of the sweep; None where it has not come so far."""
    try:
        found: dict[str, Any] = json.loads((folder.results / "confirmed.json").read_text())
    except (OSError, ValueError):
        return None
    return found
