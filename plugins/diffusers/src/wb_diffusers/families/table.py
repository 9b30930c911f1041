"""Schedulers that read alpha_bar from a table, which is set to the two rows of the move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wb_diffusers.families.grid import next_scheduler
from wb_diffusers.move import Level, Memory, Move, eps_of

if TYPE_CHECKING:
    from torch import Tensor


def move(move: Move, memory: Memory | None) -> tuple[Tensor, Memory]:
    """y = x / sqrt(alpha^2 + sigma^2); the timestep is 1 and the next one 0, or 0 and then -1, which is data."""
    start, end = move.start, move.end
    scheduler = next_scheduler(move, memory)
    timestep = _set_table(scheduler, start, end)
    y = move.x / start.norm
    y_next = move.call(scheduler, _output(move, move.x, start), y, timestep)
    if _repeats_first_move(scheduler) and not end.clean:
        # PNDM's first move: evaluate at its end, average, and repeat from its start.
        x = end.norm * y_next
        y_next = move.call(scheduler, _output(move, x, end), y_next, 0)
    return end.norm * y_next, Memory(scheduler, (), 1 + (memory.moves if memory else 0))


def _set_table(scheduler: Any, start: Level, end: Level) -> int:
    """Write the table; return the timestep of the start."""
    import torch

    rows = [start.alpha_bar] if end.clean else [end.alpha_bar, start.alpha_bar]
    scheduler.alphas_cumprod = torch.tensor(rows, dtype=torch.float64)
    before = torch.tensor([1.0, *rows[:-1]], dtype=torch.float64)
    scheduler.alphas = scheduler.alphas_cumprod / before
    scheduler.betas = 1.0 - scheduler.alphas
    scheduler.final_alpha_cumprod = scheduler.one = torch.tensor(1.0, dtype=torch.float64)
    scheduler.timesteps = torch.arange(len(rows) - 1, -1, -1)
    scheduler.num_inference_steps = 2  # of num_train_timesteps = 2: the next step is the row below
    scheduler.prk_timesteps = []
    return len(rows) - 1


def _output(move: Move, x: Tensor, level: Level) -> Tensor:
    x0 = move.mean(x, level)
    return eps_of(x, x0, level) if move.bridged.output == "eps" else x0


def _repeats_first_move(scheduler: Any) -> bool:
    return getattr(scheduler, "counter", None) == 1
