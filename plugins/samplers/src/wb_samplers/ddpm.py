"""Ancestral sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

from pydantic import Field

from workbench.interfaces import NoiseSource, PosteriorMean, Sampler

if TYPE_CHECKING:
    from torch import Tensor


@final
class DDPM(Sampler[None]):
    """Ancestral sampling: the mean of q(x_s | x_t, x0) plus noise of one of two variances. One evaluation per step.

    Ho, Jain & Abbeel 2020 (arXiv:2006.11239), algorithm 2 and equation 7, between any two times of any Gaussian path.
    """

    variance: Literal["beta_tilde", "beta"] = Field(
        "beta_tilde",
        description="beta_tilde: exact for data at one point, better with few steps; beta: exact for data with distribution N(0, I)",
    )

    def step(
        self, posterior: PosteriorMean, x: Tensor, t: float, s: float, *, state: None, noise: NoiseSource
    ) -> tuple[Tensor, None]:
        """One move t -> s of `x` [b, ...]; the last one, to s = 0, is the posterior mean itself."""
        alpha_t, sigma_t = posterior.schedule.at(t)
        alpha_s, sigma_s = posterior.schedule.at(s)

        x0 = posterior(x, t)  # [b, c, h, w]
        if sigma_s == 0.0:
            return alpha_s * x0, None

        scale = alpha_t / alpha_s
        beta = sigma_t**2 - scale**2 * sigma_s**2  # variance of q(x_t | x_s)
        shrink = (sigma_s / sigma_t) ** 2
        variance = beta if self.variance == "beta" else shrink * beta

        mean = alpha_s * beta / sigma_t**2 * x0 + scale * shrink * x
        return mean + variance**0.5 * noise.normal(x), None
