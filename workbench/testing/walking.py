"""Following a grid from a given start with a given noise source, without keyed noise."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from workbench.diffusion import Counted, TimeGrid, renoise, sample
from workbench.interfaces import NoiseSource, PosteriorMean, Sampler
from workbench.testing.oracles import GaussianOracle
from workbench.testing.reference import QuarterCircle


def walk(sampler: Sampler[Any], posterior: PosteriorMean, grid: TimeGrid, x: Tensor, noise: NoiseSource) -> Tensor:
    """Move `x` [b, ...] along `grid`: moves down by the sampler, moves up by the forward kernel."""
    state: Any = None
    for t, s in grid.moves():
        if s < t:
            x, state = sampler.step(posterior, x, t, s, state=state, noise=noise)
        else:
            x, state = renoise(posterior.schedule, x, t, s, noise), None
    return x


def count_nfe(sampler: Sampler[Any], moves: int, oracle: GaussianOracle | None = None) -> int:
    """Network evaluations (NFE) of a uniform time grid of `moves` moves; the values of the oracle should not matter."""
    counted = Counted(oracle or GaussianOracle(0.0, 1.0, QuarterCircle()))
    sample(counted, sampler, TimeGrid.uniform(moves), images=2, shape=(3,), seed=0, dtype=torch.float64)
    return counted.nfe
