"""Whether the parts of a recipe work together; found out before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from workbench.errors import CombinationError, DataError, WorkbenchError
from workbench.interfaces import SampleSpec
from workbench.recipe.model import Recipe, SamplerSlot, Slot

__all__ = ["Finding", "check", "check_sampler", "describe_dataset", "warnings"]

Finding = tuple[str, str]  # dotted key, message
MAX_TERMINAL_SNR = 1e-3


def check(recipe: Recipe, spec: SampleSpec | None) -> list[Finding]:
    """What keeps the parts of a recipe from working together; `spec` is None where the dataset could not say its shape."""
    checks: list[Callable[[], Iterator[Finding]]] = [
        lambda: _parameterization(recipe),
        lambda: _times(recipe),
        lambda: _sampler("sampler", recipe.sampler, recipe),
        lambda: _sampler("evaluate.sampler", recipe.evaluate.sampler, recipe),
        lambda: _features(recipe),
        lambda: _classes(recipe, spec),
        lambda: _network(recipe, spec),
    ]
    return [finding for each in checks for finding in each()]


def check_sampler(slot: SamplerSlot, recipe: Recipe) -> list[Finding]:
    """What keeps another sampler than the recipe's own from working with the rest of a recipe."""
    return list(_sampler("sampler", slot, recipe))


def describe_dataset(slot: Slot[Any]) -> tuple[SampleSpec | None, list[Finding]]:
    """The dataset's shape, or why it cannot be told."""
    try:
        return slot.component.describe(), []
    except DataError as error:
        return None, [("dataset.root" if getattr(slot.component, "root", None) else "dataset", str(error))]
    except CombinationError as error:
        return None, [(error.key, str(error))]


def warnings(recipe: Recipe) -> list[str]:
    """What is allowed and rarely meant."""
    alpha, sigma = recipe.schedule.component.at(1.0)
    snr = (alpha / sigma) ** 2
    if snr <= MAX_TERMINAL_SNR:
        return []
    return [
        f"schedule: x_T keeps {alpha:.1%} of the image (signal-to-noise ratio {snr:.2g} at t = 1), and sampling starts from pure noise, which the "
        f"network never saw. Betas made for 1000 steps must grow where there are fewer: schedule.scale_to_steps = true, or more schedule.steps."
    ]


def _parameterization(recipe: Recipe) -> Iterator[Finding]:
    from workbench.diffusion import PARAMETERIZATIONS, check_combination

    try:
        check_combination(PARAMETERIZATIONS[recipe.parameterization], recipe.schedule.component, recipe.schedule.use)
    except CombinationError as error:
        yield error.key, str(error)


def _times(recipe: Recipe) -> Iterator[Finding]:
    if recipe.objective.times == "grid" and recipe.schedule.component.grid() is None:
        yield (
            "objective.times",
            f"'grid' needs a schedule with a number of steps, and time is continuous in '{recipe.schedule.use}'. Use 'uniform' or 'auto'.",
        )


def _sampler(key: str, slot: SamplerSlot | None, recipe: Recipe) -> Iterator[Finding]:
    if slot is None:
        return
    grid = recipe.schedule.component.grid() or 1000
    if slot.spacing == "trailing" and slot.steps > grid:
        yield (
            f"{key}.steps",
            f"{slot.steps} steps do not fit on the {grid} times that 'trailing' chooses from: use at most {grid}, or spacing = 'uniform'",
        )
    if slot.guidance != 1.0 and not recipe.train.condition:
        yield f"{key}.guidance", "guidance needs a network that was given labels: set train.condition = true, or guidance = 1"


def _features(recipe: Recipe) -> Iterator[Finding]:
    names = [slot.component.metric("fd") for slot in recipe.evaluate.features]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield "evaluate.features", f"two extractors would both be called '{name}'"


def _classes(recipe: Recipe, spec: SampleSpec | None) -> Iterator[Finding]:
    if not recipe.train.condition or spec is None or len(spec.classes) > 1:
        return
    which = f"one class only ('{spec.classes[0]}')" if spec.classes else "no classes"
    yield (
        "train.condition",
        f"dataset '{recipe.dataset.use}' has {which}, so there is nothing to tell apart: set train.condition = false",
    )


def _network(recipe: Recipe, spec: SampleSpec | None) -> Iterator[Finding]:
    if spec is None:
        return
    try:
        recipe.denoiser.component.check(spec)
    except CombinationError as error:
        yield error.key, str(error)
    except WorkbenchError as error:
        yield "denoiser", str(error)
