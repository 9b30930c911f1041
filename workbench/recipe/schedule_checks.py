"""Checks of a recipe's schedule, by itself and with what depends on it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager
from numbers import Integral

from workbench.errors import CombinationError
from workbench.recipe.findings import Finding, component_call, wrong_type
from workbench.recipe.model import Recipe

MAX_TERMINAL_SNR = 1e-3
MAX_INPUT_STD = 5.0  # of x_t; networks learn badly from larger inputs
REMEDIES = {
    "scale_to_steps": "schedule.scale_to_steps = true",
    "zero_terminal_snr": "schedule.zero_terminal_snr = true",
    "steps": "more schedule.steps",
    "sigma_max": "a larger schedule.sigma_max",
}


def check_schedule(recipe: Recipe) -> list[Finding]:
    """Faults of the schedule itself: its hash, its coefficients at both ends, its inverse, its grid."""
    import torch

    use, schedule = recipe.schedule.use, recipe.schedule.component
    findings: list[Finding] = []

    def call(what: str) -> AbstractContextManager[None]:
        return component_call(findings, "schedules", use, "schedule.use", what)

    with call("its hash, by which coefficients are cached,"):
        hash(schedule)
    if findings:
        return findings
    with call("alpha_sigma()"):
        for t in (0.0, 1.0):
            alpha, sigma = schedule.at(t)
            if not (math.isfinite(alpha) and math.isfinite(sigma)) or (t == 1.0 and sigma <= 0.0):
                message = f"'{use}': (alpha, sigma) at t = {t:g} is ({alpha:g}, {sigma:g}) (wb plugins check {use})"
                findings.append(("schedule.use", message))
                break
    with call("time()"):
        float(schedule.time(torch.tensor(0.0, dtype=torch.float64)))
    with call("grid()"):
        grid = schedule.grid()
        if grid is not None and not (isinstance(grid, Integral) and int(grid) > 0):
            findings.append(("schedule.use", wrong_type(use, "grid()", grid, "a number of steps or None")))
    return findings


def check_parameterization(recipe: Recipe) -> Iterator[Finding]:
    """The parameterization must be defined on the whole schedule."""
    from workbench.diffusion import PARAMETERIZATIONS, check_combination

    try:
        check_combination(PARAMETERIZATIONS[recipe.parameterization], recipe.schedule.component, recipe.schedule.use)
    except CombinationError as error:
        yield error.key, str(error)


def check_training_times(recipe: Recipe) -> Iterator[Finding]:
    """Times of a grid need a schedule with one."""
    if recipe.objective.times == "grid" and recipe.schedule.component.grid() is None:
        yield (
            "objective.times",
            f"'grid' needs a schedule with a number of steps, and time is continuous in '{recipe.schedule.use}'. Use 'uniform' or 'auto'.",
        )


def terminal_snr_warnings(recipe: Recipe) -> Iterator[str]:
    """Sampling starts from pure noise: x_T of training should be nearly that."""
    alpha, sigma = recipe.schedule.component.at(1.0)
    ratio = alpha / sigma
    snr = ratio * ratio  # infinite where a power would overflow
    if snr <= MAX_TERMINAL_SNR:
        return
    fields = type(recipe.schedule.component).model_fields
    remedies = [remedy for field, remedy in REMEDIES.items() if field in fields]
    yield (
        f"schedule: the signal-to-noise ratio at t = 1 is {snr:.2g}, so that x_T keeps {alpha / math.hypot(alpha, sigma):.1%} of the image, and "
        f"sampling starts from pure noise, which the network was not trained on. To fix: {' or '.join(remedies) or 'use another schedule'}."
    )


def input_scale_warnings(recipe: Recipe) -> Iterator[str]:
    """Networks should see inputs of about unit variance."""
    alpha, sigma = recipe.schedule.component.at(1.0)
    if math.hypot(alpha, sigma) > MAX_INPUT_STD and recipe.parameterization != "edm":
        yield (
            f"parameterization: with schedule '{recipe.schedule.use}' the network sees inputs of up to {sigma:.3g}, and under "
            f"'{recipe.parameterization}' they are not scaled. Use parameterization = 'edm', which scales them to unit variance."
        )
