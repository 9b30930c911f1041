"""The time grid that a sampler's table describes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.errors import CombinationError
from workbench.interfaces import NoiseSchedule
from workbench.recipe.model import SamplerSettings

if TYPE_CHECKING:
    from workbench.diffusion import TimeGrid


def time_grid_of(settings: SamplerSettings, schedule: NoiseSchedule) -> TimeGrid:
    """Times from noise to data on a schedule; CombinationError, with the field to change as its key, if the two do not fit."""
    grid = _spaced_grid(settings, schedule)
    try:
        if (churn := settings.churn) is not None:
            grid = grid.churned(schedule, churn.amount, churn.low, math.inf if churn.high is None else churn.high)
    except ValueError as error:
        raise CombinationError("churn", str(error)) from error
    try:
        if (restart := settings.restart) is not None:
            grid = grid.restarted(schedule, restart.times, restart.low, restart.high)
    except ValueError as error:
        raise CombinationError("restart", str(error)) from error
    return grid


def _spaced_grid(settings: SamplerSettings, schedule: NoiseSchedule) -> TimeGrid:
    from workbench.diffusion import TimeGrid

    steps, ends = settings.steps, (settings.sigma_min, settings.sigma_max)
    try:
        match settings.spacing:
            case "uniform":
                return TimeGrid.uniform(steps)
            case "quadratic":
                return TimeGrid.quadratic(steps)
            case "trailing":
                grid = schedule.grid() or 1000
                if steps > grid:
                    raise CombinationError(
                        "steps",
                        f"{steps} steps do not fit on the {grid} times that 'trailing' chooses from: use at most {grid}, or spacing = 'uniform'",
                    )
                return TimeGrid.trailing(steps, grid)
            case "karras":
                return TimeGrid.karras(steps, schedule, 7.0 if settings.rho is None else settings.rho, *ends)
            case "logsnr":
                return TimeGrid.logsnr(steps, schedule, *ends)
            case "explicit":
                return TimeGrid.of(settings.times or ())
    except ValueError as error:
        raise CombinationError("spacing", str(error)) from error
