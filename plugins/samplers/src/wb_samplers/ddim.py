"""Denoising diffusion implicit models."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from pydantic import Field

from workbench.interfaces import NoiseSource, PosteriorMean, Sampler

if TYPE_CHECKING:
    from torch import Tensor


@final
class DDIM(Sampler[None]):
    """Denoising diffusion implicit models: first order, deterministic at eta = 0, ancestral sampling at eta = 1.

    Song, Meng & Ermon 2021 (arXiv:2010.02502), equations 12 and 16, written for any Gaussian path.
    One evaluation of the network per step.
    """

    eta: float = Field(0.0, ge=0.0, le=1.0, description="share of the posterior's noise that is put back at each step")

    def step(
        self, posterior: PosteriorMean, x: Tensor, t: float, s: float, *, state: None, noise: NoiseSource
    ) -> tuple[Tensor, None]:
        alpha_t, sigma_t = posterior.schedule.at(t)
        alpha_s, sigma_s = posterior.schedule.at(s)

        x0 = posterior(x, t)  # [b, c, h, w]
        eps = (x - alpha_t * x0) / sigma_t

        # Variance of q(x_s | x_t, x0); it vanishes at s = 0, so the last step adds no noise.
        ancestral = (sigma_s / sigma_t) ** 2 * (sigma_t**2 - (alpha_t / alpha_s * sigma_s) ** 2)
        fresh = self.eta**2 * ancestral

        x_s = alpha_s * x0 + (sigma_s**2 - fresh) ** 0.5 * eps
        if fresh > 0:
            x_s = x_s + fresh**0.5 * noise.normal(x)
        return x_s, None
