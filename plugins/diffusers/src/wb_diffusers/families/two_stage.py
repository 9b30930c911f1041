"""Schedulers that look twice per move: at its start, and at its end or between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wb_diffusers.drawing import Brownian
from wb_diffusers.move import Level, Memory, Move, eps_of

if TYPE_CHECKING:
    from torch import Tensor


def move(move: Move, memory: Memory | None) -> tuple[Tensor, None]:
    """Two calls of a new scheduler on y = x / alpha; one where the move ends at the data. Nothing is remembered."""
    start, end = move.start, move.end
    scheduler = _trained_on(move)
    y = move.x / start.alpha
    if hasattr(scheduler, "noise_sampler"):
        scheduler.noise_sampler = Brownian(move.noise, y)

    eps = eps_of(move.x, move.mean(move.x, start), start)
    y_next = move.call(scheduler, eps, y)
    if end.clean:
        return end.alpha * y_next, None

    middle = _second_level(scheduler, move)
    x = middle.alpha * y_next
    y_next = move.call(scheduler, eps_of(x, move.mean(x, middle), middle), y_next)
    return end.alpha * y_next, None


def _trained_on(move: Move) -> Any:
    """A scheduler whose table has two rows, the end and the start of the move, so that its own grid is this move."""
    import torch

    scheduler = move.new()
    rows = [move.start.alpha_bar, move.start.alpha_bar / 2] if move.end.clean else [move.end.alpha_bar, move.start.alpha_bar]
    scheduler.alphas_cumprod = torch.tensor(rows, dtype=torch.float64)
    scheduler.set_timesteps(1 if move.end.clean else 2)  # appends sigma = 0
    scheduler._step_index = 0
    return scheduler


def _second_level(scheduler: Any, move: Move) -> Level:
    """Where the second evaluation belongs, which each of them keeps in a place of its own."""
    if getattr(scheduler, "mid_point_sigma", None) is not None:  # stochastic DPM-Solver
        return Level.of_ratio(move.posterior.schedule, float(scheduler.mid_point_sigma))
    if hasattr(scheduler, "sigmas_down"):  # ancestral
        return Level.of_ratio(move.posterior.schedule, float(scheduler.sigmas_interpol[0]))
    if hasattr(scheduler, "sigmas_interpol"):
        return Level.of_ratio(move.posterior.schedule, float(scheduler.sigmas_interpol[1]))
    return move.end
