"""The exact moments that a sampler reaches, without Monte-Carlo error."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from workbench.diffusion import TimeGrid
from workbench.interfaces import Sampler
from workbench.testing.oracles import GaussianOracle
from workbench.testing.walking import walk

FINE = 1e-8
# How far superposition may be off by rounding alone. Two hundred moves that add one unit in the last place each, all in one direction: 200 x 6.0e-8
# in float32, and 200 x 1.1e-16 in float64, there times 4096, the sigma / alpha at which those begin that know no alpha = 0.
SINGLE, DOUBLE = 2e-5, 1e-10


class _Probe:
    """Noise of which each draw is 1 in an image of its own and 0 in the others."""

    def __init__(self, images: int) -> None:
        self.images, self.draws = images, 0

    def normal(self, x: Tensor) -> Tensor:
        z = torch.zeros_like(x)
        if 2 + self.draws < self.images:
            z[2 + self.draws] = 1.0
        self.draws += 1
        return z


def reached_moments(sampler: Sampler[Any], oracle: GaussianOracle, path: TimeGrid) -> tuple[float, float]:
    """Mean and standard deviation of what `sampler` makes of x_T ~ q(x_T), exact to rounding.

    With a Gaussian's posterior mean every sampler that is linear in x makes `c + a x_T + sum_k b_k z_k` of the starting noise and its draws
    z_k; running it on unit vectors gives the coefficients. ValueError where superposition does not hold to rounding: to 1e-10, or to 2e-5 where the
    sampler computes in float32 whatever it is given.
    """
    mean_t, std_t = oracle.marginal(path.times[0])
    counting = _Probe(0)
    walk(sampler, oracle, path, torch.full((2, 1), mean_t, dtype=torch.float64), counting)

    images = 2 + counting.draws + 2
    start = torch.full((images, 1), mean_t, dtype=torch.float64)
    start[1] += std_t
    start[-2] += 2.0 * std_t
    start[-1] -= 3.0 * std_t
    out = walk(sampler, oracle, path, start, _Probe(images - 2))[:, 0]

    centre, scale = out[0], (out[1:-2] - out[0]).norm()
    expected = torch.stack([centre + 2.0 * (out[1] - centre), centre - 3.0 * (out[1] - centre)])
    rounding = SINGLE if _is_single_precision(sampler, oracle) else DOUBLE
    if not torch.allclose(out[-2:], expected, rtol=rounding, atol=rounding * float(scale)):
        raise ValueError("the sampler is not linear in x, so that its moments cannot be superposed")
    return float(centre), float(scale)


def _is_single_precision(sampler: Sampler[Any], oracle: GaussianOracle) -> bool:
    """Whether it computes in float32 whatever it is given: then a move does not tell 1 from 1 + 1e-8, nor does its result."""
    x = torch.tensor([1.0, 1.0 + FINE, 2.0], dtype=torch.float64)[:, None]
    moved, _ = sampler.step(oracle, x, 0.6, 0.5, state=None, noise=_Probe(0))
    slope, seen = moved[2] - moved[0], (moved[1] - moved[0]) / FINE
    return bool((seen - slope).abs() > 0.01 * slope.abs())
