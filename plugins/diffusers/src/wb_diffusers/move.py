"""The arguments of one move, and the state between moves."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wb_diffusers.catalogue import LIMIT, Bridged
from wb_diffusers.noise import noise_from
from workbench.interfaces import NoiseSchedule, NoiseSource, PosteriorMean

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# sigma / alpha is bounded softly, so that different times stay different. Schedulers that divide by alpha do not support infinity (LIMIT), those
# that compute with eps do not support zero, and those with tables lose small sigmas in 1 - alpha_bar.
FLOOR = 1e-5


def bound_ratio(ratio: float, limit: float) -> float:
    """sigma / alpha in (0, limit], strictly increasing; only 0 gives 0."""
    if ratio > 0.5 * limit:
        return limit * (1.0 - 0.25 * limit / ratio)
    if 0.0 < ratio < FLOOR:
        return FLOOR / (1.0 + math.log(FLOOR / ratio))
    return ratio


@dataclass(frozen=True)
class Level:
    """A time and its coefficients, with bounded sigma / alpha."""

    t: float
    alpha: float
    sigma: float

    @classmethod
    def at(cls, schedule: NoiseSchedule, t: float, limit: float = LIMIT) -> Level:
        """The level of a time; `limit` may be infinite for schedulers that do not divide by alpha."""
        alpha, sigma = schedule.at(t)
        if alpha == 0.0 and limit == math.inf:
            return cls(t, alpha, sigma)
        ratio = bound_ratio(sigma / alpha if alpha > 0.0 else math.inf, limit)
        return cls(t, sigma / ratio, sigma) if ratio > 1.0 else cls(t, alpha, ratio * alpha)

    @classmethod
    def of_ratio(cls, schedule: NoiseSchedule, ratio: float) -> Level:
        """The level at which sigma / alpha is `ratio`, for evaluations between two times."""
        import torch

        return cls.at(schedule, float(schedule.time(torch.tensor(-2.0 * math.log(ratio), dtype=torch.float64))))

    @property
    def ratio(self) -> float:
        """sigma / alpha, their sigma."""
        return self.sigma / self.alpha

    @property
    def norm(self) -> float:
        """The divisor that makes x variance preserving."""
        return math.hypot(self.alpha, self.sigma)

    @property
    def alpha_bar(self) -> float:
        """alpha^2 in variance preserving coordinates."""
        return (self.alpha / self.norm) ** 2

    @property
    def clean(self) -> bool:
        """True if this is data."""
        return self.sigma == 0.0


@dataclass(frozen=True)
class Memory:
    """The state that is passed from one move to the next; never changed."""

    scheduler: Any  # after the last move
    ratios: tuple[float, ...]  # sigma / alpha at the starts of the last moves, the latest last
    moves: int  # since the start or the last move up


@dataclass(frozen=True)
class Move:
    """The arguments of one move. `x` [b, ...] is at least float32; `dtype` is the dtype for the posterior mean."""

    posterior: PosteriorMean
    x: Tensor
    start: Level
    end: Level
    noise: NoiseSource
    dtype: torch.dtype
    bridged: Bridged
    new: Callable[[], Any]
    step_options: Mapping[str, Any]

    def mean(self, x: Tensor, level: Level) -> Tensor:
        """The posterior mean at `x` [b, ...]."""
        return self.posterior(x.to(self.dtype), level.t).to(x.dtype)

    def call(self, scheduler: Any, output: Tensor, y: Tensor, timestep: float | None = None) -> Tensor:
        """Call the scheduler's `step` on `y`, in its coordinates, with our noise."""
        if timestep is None:
            timestep = (
                1000.0 * self.start.t - 1.0
            )  # row i - 1 of a table of 1000 is our t = i / 1000; only SASolver's tau uses it
        with noise_from(self.noise, scheduler):
            output_tuple = scheduler.step(output, timestep, y, return_dict=False, **self.step_options)
        result: Tensor = output_tuple[0]
        return result


def eps_of(x: Tensor, x0: Tensor, level: Level) -> Tensor:
    """The noise [b, ...] in x = alpha x0 + sigma eps."""
    return (x - level.alpha * x0) / level.sigma


def copy_scheduler(scheduler: Any) -> Any:
    """A copy with its own lists. Tensors are shared: schedulers replace them and do not write into them."""
    copied = copy.copy(scheduler)
    for name, value in vars(scheduler).items():
        if isinstance(value, list):
            setattr(copied, name, list(value))
    return copied
