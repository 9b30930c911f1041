"""Posterior means in closed form: exact results to test samplers with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workbench.diffusion import Parameterization
from workbench.interfaces import NoiseSchedule, PosteriorMean


class GaussianOracle:
    """E[x0 | x_t] for data N(mean, std^2) in every element: linear in x, exact for any schedule."""

    def __init__(self, mean: float, std: float, schedule: NoiseSchedule) -> None:
        self.mean, self.std, self.schedule = mean, std, schedule

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """The exact posterior mean [b, ...]."""
        alpha, sigma = self.schedule.at(t)
        gain = alpha * self.std**2 / (alpha**2 * self.std**2 + sigma**2)
        return self.mean + gain * (x - alpha * self.mean)

    def marginal(self, t: float) -> tuple[float, float]:
        """Mean and standard deviation of x_t."""
        alpha, sigma = self.schedule.at(t)
        return alpha * self.mean, (alpha**2 * self.std**2 + sigma**2) ** 0.5

    def flow(self, x: Tensor, t: float, s: float) -> Tensor:
        """Move `x` from time t to s along the probability flow (Song et al. 2021, arXiv:2011.13456, equation 13)."""
        (mean_t, std_t), (mean_s, std_s) = self.marginal(t), self.marginal(s)
        return mean_s + std_s / std_t * (x - mean_t)


class MixtureOracle:
    """E[x0 | x_t] for a mixture of isotropic Gaussians: not linear in x, exact for any schedule.

    `means` [k, d...] are points of the data space, `stds` [k] the standard deviations of the components, `weights` [k] their shares.
    """

    def __init__(
        self, means: Sequence[object] | Tensor, stds: Sequence[float], weights: Sequence[float], schedule: NoiseSchedule
    ) -> None:
        self.means = torch.as_tensor(means, dtype=torch.float64).reshape(len(stds), -1)  # [k, d]
        self.variances = torch.as_tensor(stds, dtype=torch.float64).square()
        self.weights = torch.as_tensor(weights, dtype=torch.float64) / sum(weights)
        self.schedule = schedule

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """The exact posterior mean [b, ...]."""
        alpha, sigma = self.schedule.at(t)
        flat = x.double().flatten(1)  # [b, d]
        means, variances = self.means.to(x.device), self.variances.to(x.device)
        spread = alpha**2 * variances + sigma**2  # of x_t, [k]
        # |x - alpha m|^2 expanded: a batch of images against k means needs no [b, k, d].
        distance = flat.square().sum(1, keepdim=True) - 2.0 * alpha * flat @ means.T + alpha**2 * means.square().sum(1)
        log_share = self.weights.to(x.device).log() - 0.5 * flat.shape[1] * spread.log() - 0.5 * distance / spread
        share = log_share.softmax(1)  # [b, k]
        gain = alpha * variances / spread
        mean = (share * gain).sum(1, keepdim=True) * flat + (share * (1.0 - alpha * gain)) @ means
        return mean.to(x.dtype).reshape(x.shape)

    def flow(self, x: Tensor, t: float, s: float) -> Tensor:
        """Move `x` [b, 1] from t to s along the probability flow, for data in one dimension: it keeps the order of points, and so quantiles.

        By bisection of the distribution function in float64: to 1e-12 within three standard deviations, less far above the data.
        """
        wanted = self._share_below(x.double(), t)
        alpha, sigma = self.schedule.at(s)
        reach = 12.0 * float((alpha**2 * self.variances + sigma**2).max().sqrt())
        low = torch.full_like(wanted, alpha * float(self.means.min()) - reach)
        high = torch.full_like(wanted, alpha * float(self.means.max()) + reach)
        for _ in range(80):
            middle = 0.5 * (low + high)
            below = self._share_below(middle, s) < wanted
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return (0.5 * (low + high)).to(x.dtype)

    def _share_below(self, x: Tensor, t: float) -> Tensor:
        """P(x_t < x) of a mixture in one dimension."""
        alpha, sigma = self.schedule.at(t)
        spread = (alpha**2 * self.variances + sigma**2).sqrt()
        # erfc is precise in the lower tail, torch.special.ndtr is not.
        below = 0.5 * torch.special.erfc((alpha * self.means[:, 0] - x.reshape(-1, 1)) / (2.0**0.5 * spread))
        return (self.weights * below).sum(1).reshape(x.shape)


class Constant:
    """Data at a single point: the posterior mean is that point."""

    def __init__(self, x0: Tensor, schedule: NoiseSchedule) -> None:
        self.x0, self.schedule = x0, schedule

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """The point, broadcast to `x` [b, ...]."""
        return self.x0.to(x).expand_as(x)


class ForbiddenNoise:
    """A noise source of zeros, so that a step returns its mean."""

    def normal(self, x: Tensor) -> Tensor:
        """Zeros like `x`."""
        return torch.zeros_like(x)


class OracleNetwork(nn.Module):
    """A perfectly trained network F: an oracle under a parameterization.

    Like every network it is called with the scaled x [b, ...] and the level [b]; it computes the time with `schedule.time`.
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
