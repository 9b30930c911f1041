"""Walking a path without keys: from a given start with a given noise source."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from workbench.diffusion import TimeGrid, renoise
from workbench.interfaces import NoiseSource, PosteriorMean, Sampler


def walk(sampler: Sampler[Any], posterior: PosteriorMean, path: TimeGrid, x: Tensor, noise: NoiseSource) -> Tensor:
    """Where `path` leads from `x` [b, ...]: moves down by the sampler, moves up by the forward kernel."""
    state: Any = None
    for t, s in path.moves():
        if s < t:
            x, state = sampler.step(posterior, x, t, s, state=state, noise=noise)
        else:
            x, state = renoise(posterior.schedule, x, t, s, noise), None
    return x
