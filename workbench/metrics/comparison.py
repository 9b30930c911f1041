"""Which of several distances is the least, and whether the difference is more than chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.metrics.card import MEASURE, differences

NORMAL_95 = 1.96
STD_ERROR = "_std_error"  # ending of the metric that holds the standard error of another one
SUMMARY = ("train/loss", "eval/nfe")  # results among what training and evaluation log under their own prefixes


@dataclass(frozen=True)
class DistanceWithError:
    """A value with its standard error and its card, None where they are not known."""

    value: float
    error: float | None = None
    card: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Comparison:
    """`best` holds the indices of the least value and of all that cannot be distinguished from it; it is empty if no value stands out."""

    best: frozenset[int] = frozenset()
    verdict: str = ""  # what limits the comparison, in a few words


def difference_holds_zero(a: DistanceWithError, b: DistanceWithError) -> bool | None:
    """True if the 95 % interval of a - b holds 0; None if an error is not known.

    The errors are added as if they were independent. Two distances to the same real images share a part of their errors, so that the
    interval is rather too wide: it may miss a small difference, and does not invent one.
    """
    if not all(each.error is not None and math.isfinite(each.error) for each in (a, b)):
        return None
    return abs(a.value - b.value) <= NORMAL_95 * math.hypot(a.error or 0.0, b.error or 0.0)


def compare_distances(distances: Sequence[DistanceWithError | None]) -> Comparison:
    """Compare distances of one name, of which the least is the best; None stands for one that was not measured.

    Those without cards are not ranked, nor are those whose cards show that they were measured in different ways.
    """
    present = {i: each for i, each in enumerate(distances) if each is not None and math.isfinite(each.value)}
    cards = [each.card for each in present.values()]
    if len(present) < 2 or all(card is None for card in cards):
        return Comparison()
    known = [card for card in cards if card is not None]
    if len(known) < len(cards):
        return Comparison(verdict="not ranked: measured without a card")
    if unlike := sorted({key for card in known for key in differences(known[0], card) if key in MEASURE}):
        return Comparison(verdict=f"not ranked: different {', '.join(unlike)}")
    least = min(present.values(), key=lambda each: each.value)
    zero = {i: difference_holds_zero(least, each) for i, each in present.items()}
    best = frozenset(i for i, each in present.items() if zero[i] or each.value == least.value)
    if len(best) == len(present):
        return Comparison(verdict="not significant")
    return Comparison(best, "error not known" if None in zero.values() else "")


@dataclass(frozen=True)
class MetricComparison:
    """One metric of several runs: a value per run (None where it was not measured), and how the values compare."""

    name: str
    values: tuple[DistanceWithError | None, ...]
    comparison: Comparison

    @property
    def is_summary(self) -> bool:
        """True for a result (distances, losses, NFE), False for times, memory and settings."""
        return self.name in SUMMARY or not self.name.startswith(("train/", "eval/"))


def compare_metrics(
    runs: Sequence[tuple[Mapping[str, float], Mapping[str, Mapping[str, Any]]]],
) -> list[MetricComparison]:
    """Compare the metrics of several runs, each given as (value by name, card by name): distances first, then by name.

    Standard errors belong to their metrics and are not compared themselves.
    """
    names = {name for metrics, _ in runs for name in metrics if not name.endswith(STD_ERROR)}
    with_card = {name for _, cards in runs for name in cards}
    rows = []
    for name in sorted(names, key=lambda name: (name not in with_card, name)):
        values = tuple(_distance(name, metrics, cards) for metrics, cards in runs)
        rows.append(MetricComparison(name, values, compare_distances(values)))
    return rows


def _distance(name: str, metrics: Mapping[str, float], cards: Mapping[str, Mapping[str, Any]]) -> DistanceWithError | None:
    if name not in metrics:
        return None
    return DistanceWithError(metrics[name], metrics.get(f"{name}{STD_ERROR}"), cards.get(name))
