"""Schedulers that read their position from a list of sigmas, with one evaluation per move."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from wb_diffusers.move import Level, Memory, Move, copy_scheduler, eps_of
from wb_diffusers.noise import Brownian

if TYPE_CHECKING:
    from torch import Tensor

# The past sigmas that the longest history needs (LMS of order 4), and more time steps after them than the 15 below which schedulers lower the order.
PAST, AHEAD = 6, 20
# sigma / alpha of the data for formulas that are not defined at zero.
NEARLY_ZERO = 1e-10


def move_exploding(move: Move, memory: Memory | None) -> tuple[Tensor, Memory]:
    """y = x / alpha, whose noise has standard deviation sigma / alpha: Karras' coordinates."""
    start, end = move.start, move.end
    scheduler = next_scheduler(move, memory)
    after = set_grid(scheduler, move, memory, end)
    y = move.x / start.alpha
    x0 = move.mean(move.x, start)
    output = _edm(y, x0, start.ratio, scheduler) if move.bridged.output == "edm" else x0
    if move.bridged.output == "eps":
        output = eps_of(move.x, x0, start)
    scheduler.noise_sampler = Brownian(move.noise, y)  # used by the cosine solver only
    return end.alpha * move.call(scheduler, output, y), after


def move_preserving(move: Move, memory: Memory | None) -> tuple[Tensor, Memory]:
    """y = x / sqrt(alpha^2 + sigma^2), which is variance preserving: the coordinates of the solvers in log-SNR."""
    start, end = move.start, move.end
    scheduler = next_scheduler(move, memory)
    after = set_grid(scheduler, move, memory, end if _reaches_data(scheduler) else _almost(end))
    if hasattr(scheduler, "order_list"):
        scheduler.order_list = [_singlestep_order(scheduler, after.moves - 1, end)] * len(scheduler.sigmas)
    y = move.call(scheduler, move.mean(move.x, start), move.x / start.norm)
    return end.norm * y, after


def next_scheduler(move: Move, memory: Memory | None) -> Any:
    """A copy of the scheduler after the last move, or a new one; the caller may change it."""
    return move.new() if memory is None else copy_scheduler(memory.scheduler)


def set_grid(scheduler: Any, move: Move, memory: Memory | None, end: Level) -> Memory:
    """Set the grid to the visited times, the start and the end, with the index at the start; return the state for the next move."""
    import torch

    ratios = (*(memory.ratios if memory else ()), move.start.ratio)[-PAST:]
    scheduler.sigmas = torch.tensor([*ratios, end.ratio], dtype=torch.float64)
    # Schedulers lower the order near the end of the list: it ends here only if the grid ends at the data.
    scheduler.timesteps = torch.zeros(len(ratios) + (0 if move.end.clean else AHEAD))
    scheduler.num_inference_steps = len(scheduler.timesteps)
    scheduler._step_index = len(ratios) - 1
    scheduler.is_scale_input_called = True
    return Memory(scheduler, ratios, 1 + (memory.moves if memory else 0))


def _edm(y: Tensor, x0: Tensor, sigma: float, scheduler: Any) -> Tensor:
    """F, such that their c_skip y + c_out F is the posterior mean (Karras et al. 2022, equation 7 and table 1)."""
    data = scheduler.config.sigma_data
    c_skip = data**2 / (sigma**2 + data**2)
    c_out = sigma * data / (sigma**2 + data**2) ** 0.5
    return (x0 - c_skip * y) / c_out


def _reaches_data(scheduler: Any) -> bool:
    """True if its formulas are finite at sigma = 0; not so if it extrapolates eps, for the stochastic Adams solver and B1(h) of UniPC."""
    config = scheduler.config
    algorithm = config.get("algorithm_type", "dpmsolver++")
    return (
        algorithm in ("dpmsolver++", "sde-dpmsolver++") and config.get("predict_x0", True) and config.get("solver_type") != "bh1"
    )


def _almost(end: Level) -> Level:
    return dataclasses.replace(end, sigma=NEARLY_ZERO * end.alpha) if end.clean else end


def _singlestep_order(scheduler: Any, moved: int, end: Level) -> int:
    """The order within a block of `solver_order` moves: 1, 2, ..., and 1 at the data, as in diffusers."""
    return 1 if end.clean else 1 + moved % int(scheduler.config.solver_order)
