"""UniPC: a predictor and a corrector that share their evaluations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, final

from pydantic import Field

from wb_samplers.exponential import Move, half_logsnr, move
from workbench.interfaces import NoiseSource, PosteriorMean, Sampler

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Point:
    """A visited time: ln(alpha / sigma) and the posterior mean."""

    lam: float
    x0: Tensor


@dataclass(frozen=True)
class Moves:
    """The previous move, to be corrected, and the points it was predicted from (its start first)."""

    x: Tensor
    move: Move
    points: tuple[Point, ...]
    order: int


@final
class UniPC(Sampler[Moves]):
    """UniPC in its B2(h) form on the posterior mean: a multistep predictor, corrected with the evaluation of the next step.

    Zhao et al. 2023 (arXiv:2302.04867), algorithms 1 and 2 with B(h) = e^h - 1, for any Gaussian path; one evaluation per step. As there, the
    coefficients of the second-order predictor and the first-order corrector are 1/2 instead of the solution of their one-by-one system. The
    corrector adds one order: with `order = 2` the measured order is three.
    """

    order: Literal[2, 3] = Field(2, description="order of the predictor; the corrector adds one")

    def step(
        self, posterior: PosteriorMean, x: Tensor, t: float, s: float, *, state: Moves | None, noise: NoiseSource
    ) -> tuple[Tensor, Moves]:
        """One move t -> s of `x` [b, ...]."""
        step = move(posterior.schedule, t, s)
        here = Point(half_logsnr(step.alpha_t, step.sigma_t), posterior(x, t))
        earlier: tuple[Point, ...] = ()
        if state is not None:
            x = _move(state.x, state.move, state.points[: state.order], here)
            earlier = tuple(point for point in state.points if math.isfinite(point.lam))  # at alpha = 0 it is -inf
        points = (here, *earlier)[: self.order]
        order = 1 if step.sigma_s == 0.0 else len(points)
        x_s = _move(x, step, points[:order], None)
        return x_s, Moves(x, step, points, order)

    def convergence_order(self) -> int:
        """3: the first move, corrected to second order, limits `order = 3` to this."""
        return 3


def _move(x: Tensor, step: Move, points: tuple[Point, ...], end: Point | None) -> Tensor:
    """Predict the end of a move from its start and earlier points, or correct it with the point at its end."""
    start, *earlier = points
    ratios = [(point.lam - start.lam) / step.h for point in earlier]
    differences = [(point.x0 - start.x0) / r for point, r in zip(earlier, ratios, strict=True)]
    if end is not None:
        ratios.append(1.0)
        differences.append(end.x0 - start.x0)
    x0 = start.x0
    for weight, difference in zip(_weights(ratios, step.h), differences, strict=True):
        x0 = x0 + weight * difference
    return step.sigma_s / step.sigma_t * x + step.alpha_s * (1.0 - step.shrink) * x0


def _weights(ratios: list[float], h: float) -> list[float]:
    """The coefficients that make the move exact for polynomials in lambda (Zhao et al. 2023, equation 10)."""
    if len(ratios) < 2:
        return [0.5] * len(ratios)
    import numpy as np

    phi, factorial, moments = math.expm1(-h) / -h - 1.0, 1.0, []
    for k in range(1, len(ratios) + 1):
        moments.append(phi * factorial / math.expm1(-h))
        factorial *= k + 1
        phi = phi / -h - 1.0 / factorial
    return [float(weight) for weight in np.linalg.solve([[r**k for r in ratios] for k in range(len(ratios))], moments)]
