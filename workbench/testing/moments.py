"""The exact moments of what a sampler draws, without Monte-Carlo error."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from workbench.diffusion import TimeGrid
from workbench.interfaces import Sampler
from workbench.testing.oracles import GaussianOracle
from workbench.testing.walking import walk

FINE = 1e-8
# Tolerance of superposition for rounding errors alone. Two hundred moves that add one unit in the last place each, all in one direction: 200 x
# 6.0e-8 in float32, and 200 x 1.1e-16 in float64, there times 4096, the sigma / alpha at which samplers start that do not support alpha = 0.
SINGLE, DOUBLE = 2e-5, 1e-10


class _Probe:
    """Noise whose k-th draw is 1 in one image and 0 in the others."""

    def __init__(self, images: int) -> None:
        self.images, self.draws = images, 0

    def normal(self, x: Tensor) -> Tensor:
        z = torch.zeros_like(x)
        if 2 + self.draws < self.images:
            z[2 + self.draws] = 1.0
        self.draws += 1
        return z


def reached_moments(sampler: Sampler[Any], oracle: GaussianOracle, grid: TimeGrid) -> tuple[float, float]:
    """Mean and standard deviation of the samples that `sampler` draws from x_T ~ q(x_T), exact to rounding.

    With a Gaussian's posterior mean every sampler that is linear in x returns `c + a x_T + sum_k b_k z_k` of the starting noise and its draws
    z_k; running it on unit vectors gives the coefficients. ValueError if superposition does not hold to rounding: to 1e-10, or to 2e-5 if the
    sampler always computes in float32.
    """
    mean_t, std_t = oracle.marginal(grid.times[0])
    counting = _Probe(0)
    walk(sampler, oracle, grid, torch.full((2, 1), mean_t, dtype=torch.float64), counting)

    images = 2 + counting.draws + 2
    start = torch.full((images, 1), mean_t, dtype=torch.float64)
    start[1] += std_t
    start[-2] += 2.0 * std_t
    start[-1] -= 3.0 * std_t
    out = walk(sampler, oracle, grid, start, _Probe(images - 2))[:, 0]

    centre, scale = out[0], (out[1:-2] - out[0]).norm()
    expected = torch.stack([centre + 2.0 * (out[1] - centre), centre - 3.0 * (out[1] - centre)])
    rounding = SINGLE if _is_single_precision(sampler, oracle) else DOUBLE
    if not torch.allclose(out[-2:], expected, rtol=rounding, atol=rounding * float(scale)):
        raise ValueError("the sampler is not linear in x, so its moments cannot be superposed")
    return float(centre), float(scale)


def _is_single_precision(sampler: Sampler[Any], oracle: GaussianOracle) -> bool:
    """True if it computes in float32 for float64 arguments too: then a move cannot distinguish 1 from 1 + 1e-8."""
    x = torch.tensor([1.0, 1.0 + FINE, 2.0], dtype=torch.float64)[:, None]
    moved, _ = sampler.step(oracle, x, 0.6, 0.5, state=None, noise=_Probe(0))
    slope, measured = moved[2] - moved[0], (moved[1] - moved[0]) / FINE
    return bool((measured - slope).abs() > 0.01 * slope.abs())
