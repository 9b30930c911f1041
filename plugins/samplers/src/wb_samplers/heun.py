"""Heun's method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

from pydantic import Field

from workbench.interfaces import NoiseSource, PosteriorMean, Sampler

if TYPE_CHECKING:
    from torch import Tensor

Coordinate = Literal["sigma", "flow"]
LARGE = 200.0


@final
class Heun(Sampler[None]):
    """Heun's method on the probability flow: second order, two evaluations per step and one in the last step.

    Karras et al. 2022 (arXiv:2206.00364), algorithm 1, for any Gaussian path. In `sigma`, y = x / alpha moves with w = sigma / alpha as in the
    paper; in `flow`, y = x / (alpha + sigma) with w = sigma / (alpha + sigma), which is bounded. In both dy/dw = (y - D) / w. Their
    stochastic algorithm 2 is a grid with churn: `churn = { amount = 40 }`.
    """

    coordinate: Coordinate = Field(
        "sigma",
        description="coordinate of the steps: sigma/alpha, or sigma/(alpha + sigma); the latter always if sigma/alpha is above 200",
    )

    def step(
        self, posterior: PosteriorMean, x: Tensor, t: float, s: float, *, state: None, noise: NoiseSource
    ) -> tuple[Tensor, None]:
        """One move t -> s of `x` [b, ...]."""
        alpha_t, sigma_t = posterior.schedule.at(t)
        alpha_s, sigma_s = posterior.schedule.at(s)
        # Differences of large sigma/alpha lose precision in float32, and for alpha = 0 it is infinite.
        coordinate = "flow" if sigma_t > LARGE * alpha_t else self.coordinate
        scale_t, w_t = _scale(alpha_t, sigma_t, coordinate)
        scale_s, w_s = _scale(alpha_s, sigma_s, coordinate)

        y_t = x / scale_t
        slope = (y_t - posterior(x, t)) / w_t
        y_s = y_t + (w_s - w_t) * slope
        if sigma_s > 0.0:
            slope_s = (y_s - posterior(scale_s * y_s, s)) / w_s
            y_s = y_t + (w_s - w_t) * 0.5 * (slope + slope_s)
        return scale_s * y_s, None

    def convergence_order(self) -> int:
        """2."""
        return 2


def _scale(alpha: float, sigma: float, coordinate: Coordinate) -> tuple[float, float]:
    """The divisor of x, and the coordinate w."""
    scale = alpha if coordinate == "sigma" else alpha + sigma
    return scale, sigma / scale
