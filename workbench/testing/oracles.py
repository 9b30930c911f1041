"""Posterior means in closed form: the truth that samplers are held against."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.diffusion.parameterization import Parameterization
from workbench.interfaces import NoiseSchedule, PosteriorMean

__all__ = ["Constant", "GaussianOracle", "NoNoise", "OracleNetwork"]


class GaussianOracle:
    """E[x0 | x_t] for data N(mean, std^2) in every element: linear in x, exact for any schedule."""

    def __init__(self, mean: float, std: float, schedule: NoiseSchedule) -> None:
        self.mean, self.std, self.schedule = mean, std, schedule

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """The exact posterior mean [b, ...]."""
        alpha, sigma = self.schedule.at(t)
        gain = alpha * self.std**2 / (alpha**2 * self.std**2 + sigma**2)
        return self.mean + gain * (x - alpha * self.mean)


class Constant:
    """All data at one point: the posterior mean is that point."""

    def __init__(self, x0: Tensor, schedule: NoiseSchedule) -> None:
        self.x0, self.schedule = x0, schedule

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """The point, broadcast to `x` [b, ...]."""
        return self.x0.to(x).expand_as(x)


class NoNoise:
    """A noise source of zeros, which leaves the mean of a step."""

    def normal(self, x: Tensor) -> Tensor:
        """Zeros like `x`."""
        return torch.zeros_like(x)


class OracleNetwork(nn.Module):
    """The network a perfectly trained F would be: an oracle seen through a parameterization.

    It is given what every network is given, the scaled x [b, ...] and the level [b], and finds the time by `schedule.time`.
    """

    def __init__(self, oracle: PosteriorMean, parameterization: Parameterization) -> None:
        super().__init__()
        self.oracle, self.parameterization = oracle, parameterization

    def forward(self, x: Tensor, level: Tensor, cond: Tensor | None = None) -> Tensor:
        """E[F* | x_t]."""
        t = float(self.oracle.schedule.time(level[:1].double()))
        alpha, sigma = (torch.tensor(value, dtype=torch.float64) for value in self.oracle.schedule.at(t))
        x_t = x / self.parameterization.input_scale(alpha, sigma)
        x0 = self.oracle(x_t, t)
        eps = (x_t - alpha * x0) / sigma
        return self.parameterization.target(x0, eps, alpha, sigma)
