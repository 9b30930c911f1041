"""Run colors: MLflow derives them from the run's id, which often gives two runs of a chart the same color."""

from __future__ import annotations

from typing import Any

COLOR = "mlflow.runColor"  # tag
# Tableau 10: one for each of the runs that the UI shows at first.
PALETTE = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#9c755f", "#76b7b2", "#edc948", "#ff9da7", "#79706e")


def unused_color(client: Any, experiment: str) -> str:
    """A color that none of the newest runs of an experiment has."""
    order = ["attributes.start_time DESC"]
    newest = client.search_runs([experiment], order_by=order, max_results=len(PALETTE) - 1)
    used = {run.data.tags.get(COLOR) for run in newest}
    return next(color for color in PALETTE if color not in used)
