"""Distances between sets of features, and the cards they are told with."""

from workbench.metrics.card import MetricCard, differences, rankable
from workbench.metrics.comparison import Comparison, DistanceWithError, compare_distances, difference_holds_zero
from workbench.metrics.frechet import frechet_distance
from workbench.metrics.kernel import kernel_distance
from workbench.metrics.pareto import pareto

__all__ = [
    "Comparison",
    "DistanceWithError",
    "MetricCard",
    "compare_distances",
    "difference_holds_zero",
    "differences",
    "frechet_distance",
    "kernel_distance",
    "pareto",
    "rankable",
]
