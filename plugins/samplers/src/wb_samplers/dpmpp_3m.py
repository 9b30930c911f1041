"""DPM-Solver++(3M)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from wb_samplers.exponential import Move, move
from workbench.interfaces import NoiseSource, PosteriorMean, Sampler

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class History:
    """The previous moves, the latest first."""

    x0: tuple[Tensor, ...]  # D at their starts; at most two
    h: tuple[float, ...]  # their lengths in ln(alpha / sigma)
    first: tuple[Tensor, Move] | None  # the start and the coefficients of the first move, until it is corrected


@final
class DPMpp3M(Sampler[History]):
    """DPM-Solver++(3M): third order with one evaluation per step, from three values of the posterior mean.

    Lu et al. 2022 (arXiv:2211.01095), appendix B: D is interpolated by a quadratic in lambda = ln(alpha / sigma), which is integrated exactly
    (Hochbruck & Ostermann 2010, section 2.5). Two things differ from widespread implementations, whose measured order is two: the
    quadratic term has its full weight, and the first move is corrected as soon as D at its end is computed, without an extra evaluation.
    """

    def step(
        self, posterior: PosteriorMean, x: Tensor, t: float, s: float, *, state: History | None, noise: NoiseSource
    ) -> tuple[Tensor, History]:
        """One move t -> s of `x` [b, ...]."""
        step = move(posterior.schedule, t, s)
        x0 = posterior(x, t)
        if step.sigma_s == 0.0:
            return step.alpha_s * x0, History((x0,), (step.h,), None)
        if state is None:
            return _constant_move(x, step, x0), History((x0,), (step.h,), (x, step))

        if state.first is not None:
            start, first = state.first
            x = _constant_move(start, first, 0.5 * (state.x0[0] + x0))  # the trapezoidal rule in alpha / sigma
        x_s = _constant_move(x, step, x0) + step.alpha_s * _correction(x0, step.h, state)
        return x_s, History((x0, *state.x0)[:2], (step.h, *state.h)[:2], None)

    def convergence_order(self) -> int:
        """3."""
        return 3


def _constant_move(x: Tensor, step: Move, x0: Tensor) -> Tensor:
    """The move with a constant posterior mean."""
    return step.sigma_s / step.sigma_t * x + step.alpha_s * (1.0 - step.shrink) * x0


def _correction(x0: Tensor, h: float, state: History) -> Tensor:
    """The contribution of the change of D within the move: integrals of e^-h(1 - u) times its divided differences, u in [0, 1]."""
    linear = math.expm1(-h) / h + 1.0
    quadratic = 1.0 - 2.0 * linear / h
    # A move from alpha = 0 has infinite length and cannot be used for interpolation.
    lengths = [length for length in state.h if math.isfinite(length)]
    if not lengths:
        return 0.0 * x0
    r0 = lengths[0] / h
    d0 = (x0 - state.x0[0]) / r0
    if len(lengths) == 1:
        return linear * d0
    r1 = lengths[1] / h
    d1 = (state.x0[0] - state.x0[1]) / r1
    second = (d0 - d1) / (r0 + r1)
    return linear * (d0 + r0 * second) + quadratic * second
