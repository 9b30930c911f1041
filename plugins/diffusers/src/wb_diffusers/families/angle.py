"""The scheduler that stores sines and cosines of its grid (`betas` and `alphas`) and takes v."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wb_diffusers.families.grid import next_scheduler
from wb_diffusers.move import Memory, Move, eps_of

if TYPE_CHECKING:
    from torch import Tensor


def move(move: Move, memory: Memory | None) -> tuple[Tensor, Memory]:
    """y = x / sqrt(alpha^2 + sigma^2), whose coefficients are a sine and a cosine."""
    import torch

    start, end = move.start, move.end
    scheduler = next_scheduler(move, memory)
    scheduler.alphas = torch.tensor([level.alpha / level.norm for level in (start, end)], dtype=torch.float64)
    scheduler.betas = torch.tensor([level.sigma / level.norm for level in (start, end)], dtype=torch.float64)
    scheduler.ets = scheduler.ets[-3:]  # it uses four, and would store all
    scheduler._step_index = 0

    x0 = move.mean(move.x, start)
    v = (start.alpha * eps_of(move.x, x0, start) - start.sigma * x0) / start.norm
    return end.norm * move.call(scheduler, v, move.x / start.norm), Memory(scheduler, (), 1 + (memory.moves if memory else 0))
