"""The first-order rule of several published samplers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.interfaces import NoiseSource, PosteriorMean

if TYPE_CHECKING:
    from torch import Tensor


def first_order(posterior: PosteriorMean, x: Tensor, t: float, s: float, eta: float, noise: NoiseSource) -> Tensor:
    """`x_s = alpha_s x0 + sqrt(sigma_s^2 - eta^2 B) eps + eta sqrt(B) z`, B = variance of q(x_s | x_t, x0); x [b, ...].

    Song, Meng & Ermon 2021 (arXiv:2010.02502), equations 12 and 16, written for any Gaussian path.
    """
    alpha_t, sigma_t = posterior.schedule.at(t)
    alpha_s, sigma_s = posterior.schedule.at(s)

    x0 = posterior(x, t)
    eps = (x - alpha_t * x0) / sigma_t

    # B vanishes at s = 0, so the last step adds no noise.
    ancestral = (sigma_s / sigma_t) ** 2 * (sigma_t**2 - (alpha_t / alpha_s * sigma_s) ** 2)
    fresh = eta**2 * ancestral

    x_s = alpha_s * x0 + (sigma_s**2 - fresh) ** 0.5 * eps
    return x_s + fresh**0.5 * noise.normal(x) if fresh > 0 else x_s
