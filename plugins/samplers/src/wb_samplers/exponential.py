"""Coefficients of exponential integrators in log-SNR.

With lambda = ln(alpha / sigma) the probability flow is `x_s = sigma_s/sigma_t x_t + sigma_s integral e^lambda D dlambda` from lambda_t to
lambda_s (Lu et al. 2022, arXiv:2211.01095, equation 8), so only the posterior mean D has to be approximated.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from workbench.interfaces import NoiseSchedule


class Move(NamedTuple):
    """The coefficients of one move t -> s, in float64."""

    alpha_t: float
    sigma_t: float
    alpha_s: float
    sigma_s: float
    shrink: float  # e^-h, exact for infinite h

    @property
    def h(self) -> float:
        """lambda_s - lambda_t: infinite if alpha_t = 0 or sigma_s = 0."""
        return -math.log(self.shrink) if self.shrink > 0.0 else math.inf


def move(schedule: NoiseSchedule, t: float, s: float) -> Move:
    """The coefficients of a move from t to s."""
    alpha_t, sigma_t = schedule.at(t)
    alpha_s, sigma_s = schedule.at(s)
    return Move(alpha_t, sigma_t, alpha_s, sigma_s, (alpha_t / alpha_s) * (sigma_s / sigma_t))


def shrinkage(h: float, eta: float) -> float:
    """e^(-eta h), 1 at eta = 0 even for infinite h."""
    return 1.0 if eta == 0.0 else math.exp(-eta * h)


def half_logsnr(alpha: float, sigma: float) -> float:
    """ln(alpha / sigma), -inf at alpha = 0 and +inf at sigma = 0."""
    if alpha == 0.0:
        return -math.inf
    return math.inf if sigma == 0.0 else math.log(alpha) - math.log(sigma)
