"""The posterior mean D(x, t) = E[x0 | x_t = x]: computed by a network, and wrappers that are posterior means themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

import torch
from torch import Tensor

from workbench.diffusion.parameterization import Parameterization
from workbench.interfaces import NoiseSchedule, PosteriorMean

# F(x [b, c, h, w], level [b], cond [b] or None) -> [b, c, h, w]: a module, or a module bound to its precision and kernels.
Network = Callable[[Tensor, Tensor, Tensor | None], Tensor]

LEVEL_LIMIT = 20.0


def level_of(logsnr: Tensor) -> Tensor:
    """The level that a network is given: log-SNR clamped to [-20, 20], finite also for alpha = 0 and sigma = 0."""
    return logsnr.clamp(-LEVEL_LIMIT, LEVEL_LIMIT)


class ConditionalPosteriorMean(Protocol):
    """A posterior mean that takes a condition."""

    @property
    def schedule(self) -> NoiseSchedule:
        """The schedule that defines `x_t`."""
        ...

    def __call__(self, x: Tensor, t: float, cond: Tensor | None = None) -> Tensor:
        """The posterior mean [b, ...] given the condition [b], or without one."""
        ...


class NetworkPosterior:
    """The posterior mean of a network that is trained with a parameterization on a schedule."""

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
    """Fixes the condition, so that samplers need not pass one."""

    def __init__(self, inner: ConditionalPosteriorMean, cond: Tensor | None) -> None:
        self.inner, self.cond = inner, cond
        self.schedule = inner.schedule

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """D(x, t | cond)."""
        return self.inner(x, t, self.cond)
