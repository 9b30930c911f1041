"""The smallest of several distances, and if the difference is significant."""

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
    """A value with its standard error and its card, None if they are not known."""

    value: float
    error: float | None = None
    card: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Comparison:
    """`best` holds the indices of the least value and of all that cannot be distinguished from it; empty if no value is the best."""

    best: frozenset[int] = frozenset()
    verdict: str = ""  # what limits the comparison


def difference_holds_zero(a: DistanceWithError, b: DistanceWithError) -> bool | None:
    """True if the 95 % interval of a - b holds 0; None if an error is not known.

    The errors are added as if they were independent. Two distances to the same real images share a part of their errors, so the
    interval is too wide: a small difference may be missed, but none is reported that is not there.
    """
    if not all(distance.error is not None and math.isfinite(distance.error) for distance in (a, b)):
        return None
    return abs(a.value - b.value) <= NORMAL_95 * math.hypot(a.error or 0.0, b.error or 0.0)


def compare_distances(distances: Sequence[DistanceWithError | None]) -> Comparison:
    """Compare distances of one name, of which the smallest is the best; None is a distance that was not measured.

    Distances without cards are not ranked, nor are distances whose cards show that they were measured in different ways.
    """
    present = {i: distance for i, distance in enumerate(distances) if distance is not None and math.isfinite(distance.value)}
    cards = [distance.card for distance in present.values()]
    if len(present) < 2 or all(card is None for card in cards):
        return Comparison()
    given = [card for card in cards if card is not None]
    if len(given) < len(cards):
        return Comparison(verdict="not ranked: measured without a card")
    if unlike := sorted({key for card in given for key in differences(given[0], card) if key in MEASURE}):
        return Comparison(verdict=f"not ranked: different {', '.join(unlike)}")
    least = min(present.values(), key=lambda distance: distance.value)
    zero = {i: difference_holds_zero(least, distance) for i, distance in present.items()}
    best = frozenset(i for i, distance in present.items() if zero[i] or distance.value == least.value)
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
