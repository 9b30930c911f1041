"""What a sweep minimises or maximises, by the names under which runs log it."""

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
    """A metric of a run's end, and which way is better."""

    metric: str
    direction: Direction

    @property
    def measured_again(self) -> bool:
        """Whether drawing new images gives it anew: distances do, losses and times of training do not."""
        return "/" not in self.metric

    def better(self, one: float, other: float) -> bool:
        """Whether `one` is better than `other`."""
        return one < other if self.direction == "minimize" else one > other


def search_targets(recipe: Recipe) -> tuple[SearchTarget, ...]:
    """The metrics that [sweep] names; CombinationError where runs of the recipe log none of that name."""
    if recipe.sweep is None:
        raise CombinationError(
            "sweep",
            "missing: what is to be varied? For example\n[sweep.space]\n'train.learning_rate' = { low = 1e-5, high = 1e-3, log = true }",
        )
    known = _known(recipe)
    found = tuple(_objective(name, known) for name in recipe.sweep.objectives)
    if len({each.metric for each in found}) < len(found):
        raise CombinationError("sweep.metrics", "one metric stands there twice")
    return found


def _known(recipe: Recipe) -> list[str]:
    extractors = [slot.component for slot in recipe.evaluate.features]
    return [*(each.metric(family) for family in ("kid", "fd") for each in extractors), *OTHERS]


def _objective(name: str, known: list[str]) -> SearchTarget:
    short = [each for each in known if each.startswith(f"{name}_") or each.partition("/")[2] == name]
    fitting = [name] if name in known else short
    if len(fitting) == 1:
        return SearchTarget(fitting[0], "maximize" if fitting[0].endswith("_per_second") else "minimize")
    what = (
        f"'{name}' may mean {' or '.join(fitting)}: name one"
        if fitting
        else f"runs of this recipe log no '{name}'; they log {', '.join(known)}"
    )
    raise CombinationError("sweep.metric", what)
