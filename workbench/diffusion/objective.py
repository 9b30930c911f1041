"""The training objective: the distribution of times and the weight on the squared error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from workbench.diffusion.parameterization import SIGMA_DATA, Parameterization
from workbench.diffusion.posterior import Network, level_of
from workbench.interfaces import NoiseSchedule

TimeDistribution = Literal["grid", "uniform", "lognormal"]
Weight = Literal["simple", "min_snr", "edm"]


def diffuse(x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """x_t = alpha x0 + sigma eps (Ho et al. 2020, equation 4), coefficients broadcast."""
    return alpha * x0 + sigma * eps


@dataclass(frozen=True)
class Objective:
    """`omega (F - F*)^2` at times drawn from a distribution.

    times: "grid" = uniform on {1..T} / T (Ho et al. 2020, algorithm 1; needs a schedule that is a table), "uniform" on (0, 1],
    "lognormal" = ln(sigma / alpha) normal with `mean` and `std` (Karras et al. 2022, table 1).
    weight: "simple" = 1 (L_simple for eps), "min_snr" = min(SNR, gamma) on the x0 error (Hang et al. 2023, arXiv:2303.09556),
    "edm" = (s^2 + sd^2) / (s sd)^2 on the x0 error with s = sigma / alpha (Karras et al. 2022).
    """

    schedule: NoiseSchedule
    parameterization: Parameterization
    times: TimeDistribution = "uniform"
    weight: Weight = "simple"
    mean: float = -1.2
    std: float = 1.2
    gamma: float = 5.0

    def draw_times(self, u: Tensor) -> Tensor:
        """Times [b] in (0, 1], float64, from uniform values `u` [b] in [0, 1)."""
        if self.times == "grid":
            steps = self.schedule.grid()
            if steps is None:
                raise ValueError("times = 'grid' needs a schedule with a number of steps")
            return (torch.floor(u * steps) + 1.0) / steps
        if self.times == "uniform":
            return 1.0 - u
        log_sigma = self.mean + self.std * torch.special.ndtri(u.clamp(1e-12, 1.0 - 1e-12))
        return self.schedule.time(-2.0 * log_sigma).clamp(min=1e-6)

    def omega(self, alpha: Tensor, sigma: Tensor) -> Tensor:
        """The weight [b] on the squared error of F."""
        if self.weight == "simple":
            return torch.ones_like(alpha)
        on_x0 = _WEIGHTS_ON_X0[self.weight](alpha, sigma, self.gamma)
        return on_x0 * self.parameterization.loss_weight(alpha, sigma)

    def loss(self, network: Network, x0: Tensor, eps: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        """The loss of each example [b], averaged over its elements; x0 and eps [b, ...], t [b] float64 on the host."""
        # Coefficients are float64 until here: in float32, sigma near t = 0 would consist of rounding errors.
        return self.loss_at(network, x0, eps, self.coefficients(t).to(device=x0.device, dtype=x0.dtype), cond)

    def coefficients(self, t: Tensor) -> Tensor:
        """The coefficients of the loss at times t [b], float64 [5, b]: alpha, sigma, input scale, level, weight.

        One tensor, and so one transfer to a GPU.
        """
        alpha, sigma = self.schedule.alpha_sigma(t)
        level = level_of(2.0 * (alpha.log() - sigma.log()))
        return torch.stack([alpha, sigma, self.parameterization.input_scale(alpha, sigma), level, self.omega(alpha, sigma)])

    def loss_at(self, network: Network, x0: Tensor, eps: Tensor, coefficients: Tensor, cond: Tensor | None = None) -> Tensor:
        """`loss` from the coefficients [5, b], with the device and dtype of x0: nothing here synchronises a GPU."""
        broadcast = (5, len(x0)) + (1,) * (x0.dim() - 1)
        alpha, sigma, scale, _, _ = coefficients.reshape(broadcast)
        _, _, _, level, omega = coefficients
        x = diffuse(x0, eps, alpha, sigma)
        prediction = network(x * scale if self.parameterization.scales_input else x, level, cond)
        target = self.parameterization.target(x0, eps, alpha, sigma)
        error = (prediction.to(x0.dtype) - target).square().flatten(1).mean(1)  # [b]
        return omega * error


def _min_snr(alpha: Tensor, sigma: Tensor, gamma: float) -> Tensor:
    return (alpha / sigma).square().clamp(max=gamma)


def _edm(alpha: Tensor, sigma: Tensor, gamma: float) -> Tensor:
    # (s^2 + sd^2) / (s sd)^2 = 1 / sd^2 + (alpha / sigma)^2
    return 1.0 / SIGMA_DATA**2 + (alpha / sigma).square()


_WEIGHTS_ON_X0: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {"min_snr": _min_snr, "edm": _edm}
