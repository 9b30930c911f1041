"""The posterior mean D(x, t) = E[x0 | x_t = x]: a network's view of it, and wrappers that are posterior means themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

import torch
from torch import Tensor

from workbench.diffusion.parameterization import Parameterization
from workbench.interfaces import NoiseSchedule, PosteriorMean

# F(x [b, c, h, w], level [b], cond [b] or None) -> [b, c, h, w]: a module, or one bound to how it is computed.
Network = Callable[[Tensor, Tensor, Tensor | None], Tensor]

LEVEL_LIMIT = 20.0


def level_of(logsnr: Tensor) -> Tensor:
    """The level a network sees: log-SNR in [-20, 20], so that alpha = 0 and sigma = 0 are finite."""
    return logsnr.clamp(-LEVEL_LIMIT, LEVEL_LIMIT)


class ConditionalPosteriorMean(Protocol):
    """A posterior mean that can also be asked under a condition."""

    @property
    def schedule(self) -> NoiseSchedule:
        """The schedule that gave `x_t` its meaning."""
        ...

    def __call__(self, x: Tensor, t: float, cond: Tensor | None = None) -> Tensor:
        """The posterior mean [b, ...] given the condition [b], or without one."""
        ...


class NetworkPosterior:
    """The posterior mean that a network, trained under a parameterization on a schedule, stands for."""

    def __init__(self, network: Network, schedule: NoiseSchedule, parameterization: Parameterization) -> None:
        self.network = network
        self.schedule = schedule
        self.parameterization = parameterization

    def __call__(self, x: Tensor, t: float, cond: Tensor | None = None) -> Tensor:
        """D(x, t), x [b, ...]; coefficients are host float64, tensors keep their dtype."""
        alpha, sigma = (torch.tensor(value, dtype=torch.float64) for value in self.schedule.at(t))
        level = level_of(2.0 * (alpha.log() - sigma.log())).item()
        scaled = x * self.parameterization.input_scale(alpha, sigma).item()

        prediction = self.network(scaled, torch.full((len(x),), level, dtype=x.dtype, device=x.device), cond)

        return self.parameterization.x0(x, prediction.to(x.dtype), alpha, sigma)


class Clamped:
    """Keeps the posterior mean in the range of the data; the optimal denoiser never leaves it."""

    def __init__(self, inner: PosteriorMean, low: float = -1.0, high: float = 1.0) -> None:
        self.inner, self.low, self.high = inner, low, high
        self.schedule = inner.schedule

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """D(x, t) clamped to [low, high]."""
        return self.inner(x, t).clamp(self.low, self.high)


class Counted:
    """Counts network evaluations: put it around the network's view, inside every other wrapper."""

    def __init__(self, inner: ConditionalPosteriorMean | PosteriorMean) -> None:
        self.inner = inner
        self.schedule = inner.schedule
        self.nfe = 0

    def __call__(self, x: Tensor, t: float, cond: Tensor | None = None) -> Tensor:
        """D(x, t), counted; a posterior mean that takes no condition is called without one."""
        self.nfe += 1
        return self.inner(x, t) if cond is None else cast("ConditionalPosteriorMean", self.inner)(x, t, cond)


class Conditioned:
    """Fixes the condition, so that samplers never see one."""

    def __init__(self, inner: ConditionalPosteriorMean, cond: Tensor | None) -> None:
        self.inner, self.cond = inner, cond
        self.schedule = inner.schedule

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """D(x, t | cond)."""
        return self.inner(x, t, self.cond)
