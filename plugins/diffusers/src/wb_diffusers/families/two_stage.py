"""Schedulers with two evaluations per move: at its start, and at its end or in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wb_diffusers.move import Level, Memory, Move, eps_of
from wb_diffusers.noise import Brownian

if TYPE_CHECKING:
    from torch import Tensor


def move(move: Move, memory: Memory | None) -> tuple[Tensor, None]:
    """Two calls of a new scheduler on y = x / alpha; one if the move ends at the data. There is no state."""
    start, end = move.start, move.end
    scheduler, middle = _scheduler_for(move)
    y = move.x / start.alpha
    scheduler.noise_sampler = Brownian(move.noise, y)  # used by the stochastic solver only

    eps = eps_of(move.x, move.mean(move.x, start), start)
    y_next = move.call(scheduler, eps, y)
    if not end.clean:
        x = middle.alpha * y_next
        y_next = move.call(scheduler, eps_of(x, move.mean(x, middle), middle), y_next)
    return end.alpha * y_next, None


def _scheduler_for(move: Move) -> tuple[Any, Level]:
    """A scheduler whose grid is this move, and the level of its second evaluation: the columns of `set_timesteps`, in float64."""
    import torch

    sigma, sigma_next = move.start.ratio, move.end.ratio
    up = (
        sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2
    ) ** 0.5  # the noise that ancestral steps add, and their target before that
    down = sigma_next**2 / sigma  # sqrt(sigma_next^2 - up^2)
    scheduler = move.new()
    between = {"DPMSolverSDEScheduler": sigma_next, "KDPM2AncestralDiscreteScheduler": down, "KDPM2DiscreteScheduler": sigma_next}
    target = between.get(type(scheduler).__name__)
    second = sigma_next if target is None else (sigma * target) ** 0.5  # the middle in ln sigma; Heun evaluates at the end

    columns = {
        "sigmas": [sigma, sigma_next, sigma_next],
        "sigmas_interpol": [second, second],
        "sigmas_up": [up],
        "sigmas_down": [down],
    }
    for name, values in columns.items():
        setattr(scheduler, name, torch.tensor(values, dtype=torch.float64))
    scheduler._step_index = 0
    if move.end.clean or target is None:
        return scheduler, move.end
    return scheduler, Level.of_ratio(move.posterior.schedule, second)
