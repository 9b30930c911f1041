"""The metrics that a sweep minimises or maximises, by the names under which runs log them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workbench.errors import CombinationError
from workbench.recipe import Recipe

Direction = Literal["minimize", "maximize"]
OTHERS = (
    "val/loss",
    "eval/sampling_seconds",
    "eval/samples_per_second",
    "eval/nfe",
    "train/loss",
    "train/minutes",
    "train/images_per_second",
    "train/peak_memory_mib",
)


@dataclass(frozen=True)
class SearchTarget:
    """A metric at the end of a run, and the direction in which it improves."""

    metric: str
    direction: Direction

    @property
    def is_of_images(self) -> bool:
        """True if the metric depends on the images drawn, as distances do, and losses and training times do not."""
        return "/" not in self.metric

    def better(self, one: float, other: float) -> bool:
        """True if `one` is better than `other`."""
        return one < other if self.direction == "minimize" else one > other


def search_targets(recipe: Recipe) -> tuple[SearchTarget, ...]:
    """The metrics that [sweep] names; CombinationError if runs of the recipe do not log a metric of that name."""
    if recipe.sweep is None:
        raise CombinationError(
            "sweep",
            "missing: add the keys to vary, for example\n[sweep.space]\n'train.learning_rate' = { low = 1e-5, high = 1e-3, log = true }",
        )
    logged = _logged_metrics(recipe)
    targets = tuple(_search_target(name, logged) for name in recipe.sweep.objectives)
    if len({target.metric for target in targets}) < len(targets):
        raise CombinationError("sweep.metrics", "duplicate metric")
    return targets


def _logged_metrics(recipe: Recipe) -> list[str]:
    extractors = [slot.component for slot in recipe.evaluate.features]
    return [*(extractor.metric(family) for family in ("kid", "fd") for extractor in extractors), *OTHERS]


def _search_target(name: str, logged: list[str]) -> SearchTarget:
    matches = [metric for metric in logged if metric.startswith(f"{name}_") or metric.partition("/")[2] == name]
    if name in logged:
        matches = [name]
    if len(matches) == 1:
        return SearchTarget(matches[0], "maximize" if matches[0].endswith("_per_second") else "minimize")
    problem = (
        f"'{name}' may mean {' or '.join(matches)}: choose one"
        if matches
        else f"runs of this recipe do not log '{name}'; they log {', '.join(logged)}"
    )
    raise CombinationError("sweep.metric", problem)
