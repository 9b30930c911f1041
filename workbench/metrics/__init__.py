"""Distances between sets of features, and the cards they are told with."""

from workbench.metrics.card import MetricCard, differences, rankable
from workbench.metrics.frechet import frechet_distance
from workbench.metrics.kernel import kernel_distance
from workbench.metrics.pareto import pareto

__all__ = ["MetricCard", "differences", "frechet_distance", "kernel_distance", "pareto", "rankable"]
