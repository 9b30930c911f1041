"""Schedulers of flow matching: straight paths between data and noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wb_diffusers.move import Level, Memory, Move

if TYPE_CHECKING:
    from torch import Tensor


def move(move: Move, memory: Memory | None) -> tuple[Tensor, None]:
    """y = x / (alpha + sigma) = (1 - u) x0 + u eps with u = sigma / (alpha + sigma). There is no state."""
    import torch

    start, end = move.start, move.end
    u = [_u(level) for level in (start, end)]
    scheduler = move.new()
    scheduler.sigmas = torch.tensor([u[0], u[1], u[1]], dtype=torch.float64)
    scheduler.timesteps = 1000.0 * scheduler.sigmas
    scheduler._step_index = 0
    scheduler.dt = None  # of Heun's method: the next call is the first of two

    y = move.x / _scale(start)
    y_next = move.call(scheduler, _velocity(move, y, start), y, _timestep(move, u[0]))
    if getattr(scheduler, "dt", None) is not None and not end.clean:  # Heun's second evaluation, at the end
        y_next = move.call(scheduler, _velocity(move, y_next, end), y_next, _timestep(move, u[1]))
    return _scale(end) * y_next, None


def _velocity(move: Move, y: Tensor, level: Level) -> Tensor:
    """eps - x0, or x0 - eps for the scheduler whose velocity points to the data."""
    x0 = move.mean(_scale(level) * y, level)
    velocity = (y - x0) / _u(level)
    return -velocity if move.bridged.output == "velocity_to_data" else velocity


def _timestep(move: Move, u: float) -> float:
    return 1.0 - u if move.bridged.output == "velocity_to_data" else 1000.0 * u


def _scale(level: Level) -> float:
    return level.alpha + level.sigma


def _u(level: Level) -> float:
    return level.sigma / _scale(level)
