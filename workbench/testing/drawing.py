"""Samples of Gaussian data that several checks use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from workbench.diffusion import TimeGrid, sample
from workbench.interfaces import NoiseSchedule, Sampler
from workbench.testing.oracles import GaussianOracle

MEAN, STD = 0.7, 0.5


def sample_with(
    sampler: Sampler[Any],
    schedule: NoiseSchedule,
    grid: TimeGrid,
    images: int | Sequence[int],
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Sample images [n, 2, 3] of Gaussian data, always with the same noise."""
    return sample(GaussianOracle(MEAN, STD, schedule), sampler, grid, images=images, shape=(2, 3), seed=4, dtype=dtype)
