"""The Fréchet distance of two sets of 2048-d features."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks import ours
from benchmarks.cases import Setup
from benchmarks.peers import distances
from benchmarks.results import Along, Comparison
from benchmarks.timing import Contender

REFERENCE = "ours: frechet_distance"
RANK = 512  # features of real images are correlated


def comparisons(setup: Setup) -> Iterator[Comparison]:
    """Yield comparisons with fewer samples than dimensions, and with more."""
    dims = 64 if setup.quick else 2048
    for count in (32, 100) if setup.quick else (1_000, 5_000, 10_000):
        real, generated = _features(count, dims, 0), _features(count, dims, 1)
        yield _comparison(real, generated)


def _comparison(real: Tensor, generated: Tensor) -> Comparison:
    count, dims = real.shape
    return Comparison(
        case="frechet",
        title=f"2 x {count:,} x {dims} features",
        unit="s",
        work=1,
        reference=REFERENCE,
        contenders=(
            Contender(REFERENCE, lambda _: ours.frechet(real, generated)),
            Contender("pytorch-fid: calculate_frechet_distance", lambda _: distances.pytorch_fid_frechet(real, generated)),
            Contender("torch-fidelity: metric_fid", lambda _: distances.torch_fidelity_frechet(real, generated)),
        ),
        along=Along("samples for statistics", count),
    )


def _features(count: int, dims: int, seed: int) -> Tensor:
    """Positive, correlated features with some independent noise in every dimension [count, dims]."""
    mixing = torch.randn(RANK, dims, generator=torch.Generator().manual_seed(2)) / RANK**0.5
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(count, RANK, generator=generator) + 0.1 * seed
    return torch.relu(common @ mixing + 0.3 * torch.randn(count, dims, generator=generator))
