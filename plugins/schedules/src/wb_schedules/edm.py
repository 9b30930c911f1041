"""The variance exploding schedule of EDM."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from pydantic import Field

from workbench.interfaces import NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor


@final
class EDM(NoiseSchedule):
    """x_t = x0 + sigma_t eps with sigma_t = sigma_max t^rho: the variance exploding schedule of EDM.

    Karras et al. 2022 (arXiv:2206.00364), where time is sigma itself, and its distributions over steps and in training are separate choices. Here
    t = (sigma / sigma_max)^(1/rho), so that equal steps in t are spaced as their equation 5 with sigma_min = 0. Train it with
    parameterization = "edm", which scales the network's input to unit variance, and `objective = { times = "lognormal", weight = "edm" }`;
    their steps, without noise below sigma_min, are `spacing = "karras"`.
    """

    sigma_max: float = Field(80.0, ge=1.0, le=1e6, description="noise at t = 1; the data have a standard deviation of about 0.5")
    rho: float = Field(4.0, ge=1.0, le=20.0, description="larger values make equal steps in t finer near the data")

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """(1, sigma_max t^rho) [*b]."""
        import torch

        return torch.ones_like(t), (self.sigma_max * t.double() ** self.rho).to(t.dtype)

    def time(self, logsnr: Tensor) -> Tensor:
        """t = (sigma / sigma_max)^(1 / rho) with sigma = exp(-logsnr / 2), [*b]."""
        sigma = (-0.5 * logsnr.double()).exp()
        return ((sigma / self.sigma_max) ** (1.0 / self.rho)).clamp(0.0, 1.0).to(logsnr.dtype)
