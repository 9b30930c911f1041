from .card import MetricCard as MetricCard, differences as differences, rankable as rankable
from .comparison import (
    Comparison as Comparison,
    DistanceWithError as DistanceWithError,
    MetricComparison as MetricComparison,
    compare_distances as compare_distances,
    compare_metrics as compare_metrics,
    difference_holds_zero as difference_holds_zero,
)
from .frechet import frechet_distance as frechet_distance
from .kernel import kernel_distance as kernel_distance
from .pareto_front import pareto_optimal as pareto_optimal
