"""Measure a list of sampler combinations one after the other; those that are stored are not computed again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from workbench.errors import DistanceError, SamplingError
from workbench.interfaces import FeatureExtractor
from workbench.recipe import Recipe, SamplerSlot, Slot, variant
from workbench.runs.combinations.evaluator import CombinationEvaluator, CombinationResult, Measurement


@dataclass(frozen=True)
class PlannedCombination:
    """A combination with its name, its stored result if there is one, and the network evaluations per image it still needs."""

    name: str
    slot: SamplerSlot
    stored: CombinationResult | None
    nfe: int


@dataclass(frozen=True)
class MeasuredCombination:
    """The result of a combination, or the error that prevented it."""

    planned: PlannedCombination
    result: CombinationResult | None
    error: SamplingError | DistanceError | None = None


def choose_measurement(
    recipe: Recipe,
    samples: int | None = None,
    seed: int | None = None,
    real: int | None = None,
    features: tuple[Slot[FeatureExtractor], ...] | None = None,
) -> Measurement:
    """How to measure: the recipe's evaluation settings, except for those that are given."""
    return Measurement(
        samples=samples or recipe.evaluate.samples,
        seed=recipe.seed if seed is None else seed,
        real=real or recipe.evaluate.real,
        features=recipe.evaluate.features if features is None else features,
    )


def plan_combinations(
    evaluator: CombinationEvaluator, slots: Sequence[SamplerSlot], varied: Collection[str]
) -> list[PlannedCombination]:
    """Look up which combinations are stored; `varied` are the fields that belong in their names."""
    planned = []
    for slot in slots:
        stored = evaluator.kept(slot)
        name = f"{variant(slot, varied)} {slot.steps} steps"
        planned.append(PlannedCombination(name, slot, stored, evaluator.cost(slot) if stored is None else 0))
    return planned


def measure_combinations(
    evaluator: CombinationEvaluator,
    combinations: Sequence[PlannedCombination],
    progress: Callable[[PlannedCombination, int], None] = lambda planned, done: None,
) -> Iterator[MeasuredCombination]:
    """Yield each combination as soon as it is measured, stored ones at once.

    `progress` receives the combination that is computed and its number of images so far, first 0. A combination fails alone if
    its images are not finite or its distances cannot be computed; if all fail, the first error is raised after the last one.
    """
    errors: list[SamplingError | DistanceError] = []
    for planned in combinations:
        result = planned.stored
        try:
            if result is None:
                progress(planned, 0)
                result = evaluator.measure(planned.slot, partial(progress, planned))
        except (SamplingError, DistanceError) as error:
            errors.append(error)
            yield MeasuredCombination(planned, None, error)
            continue
        yield MeasuredCombination(planned, result)
    if errors and len(errors) == len(combinations):
        raise errors[0]
