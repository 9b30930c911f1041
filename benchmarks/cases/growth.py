"""Training steps with larger images and networks."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.cases import Setup
from benchmarks.cases.training import with_diffusers
from benchmarks.results import Along, Comparison


def comparisons(setup: Setup) -> Iterator[Comparison]:
    """Yield comparisons along the image size at 64 channels, and along the channels at 32 px."""
    batch = 2 if setup.quick else 16
    for size in (16, 32) if setup.quick else (16, 32, 64):
        along = Along("image size, px", size)
        yield with_diffusers("growth", f"{size} px, 64 channels, batch {batch}", 64, size, batch, along=along)
    for channels in (32, 64) if setup.quick else (32, 64, 128):
        along = Along("channels", channels)
        yield with_diffusers("growth", f"{channels} channels, 32 px, batch {batch}", channels, 32, batch, along=along)
