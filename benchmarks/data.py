"""The images of all benchmarks: drawn cars, which need no folder and no download."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from wb_datasets.design import design
from wb_datasets.painting import paint
from workbench.interfaces import Dataset, Example, Examples, Provenance, Resources, SampleSpec, Split

INCEPTION = "fid_inception_v3_to_mixed7a_exact.safetensors"


@final
@dataclass(frozen=True)
class Pixels(Examples):
    """uint8 images [n, c, h, w] in memory."""

    pixels: Tensor

    @property
    def provenance(self) -> Provenance:
        """Drawn cars."""
        return Provenance("drawn cars", "built in", f"benchmark {tuple(self.pixels.shape)}")

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Example:
        return Example(self.images([index])[0])

    def images(self, indices: Sequence[int]) -> Tensor:
        """Images [b, c, h, w] in [-1, 1], float32."""
        return self.pixels[torch.as_tensor(list(indices))].float().div_(127.5).sub_(1.0)


@final
class Drawn(Dataset):
    """The first drawn cars, without labels, as a dataset for a recipe."""

    count: int
    size: int

    def describe(self) -> SampleSpec:
        """Three channels, no classes."""
        return SampleSpec(3, self.size, self.size)

    def load(self, split: Split, resources: Resources) -> Examples:
        """The same for both splits."""
        return cars(self.count, self.size)


@functools.cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="benchmarks_")


def scratch() -> Path:
    """A folder that is deleted when this process ends, for the cache of the runs."""
    return Path(_scratch().name)


@functools.cache
def cars(count: int, size: int) -> Pixels:
    """The first drawn cars at a size."""
    images = [torch.from_numpy(paint(design(0, index), size).copy()) for index in range(count)]
    return Pixels(torch.stack(images).permute(0, 3, 1, 2).contiguous())


def mirrored_batch(examples: Examples, batch: int) -> Tensor:
    """Images [b, c, h, w] in [-1, 1] drawn by torch's global generator, half of them mirrored, as in the peers' loops."""
    images = examples.images(torch.randint(len(examples), (batch,)).tolist())
    return torch.where(torch.rand(batch, 1, 1, 1) < 0.5, images.flip(-1), images)


def inception_weights() -> Path | None:
    """Weights for 768-d features: the file named by WB_INCEPTION_WEIGHTS, or the one in WB_TEST_DATA; None if there are none."""
    named, shared = os.environ.get("WB_INCEPTION_WEIGHTS"), os.environ.get("WB_TEST_DATA")
    candidates = [Path(named)] if named else [Path(shared) / "weights" / INCEPTION] if shared else []
    return next((path for path in candidates if path.is_file()), None)


def photographs() -> Path | None:
    """The folder of photographs in WB_TEST_DATA, if that is set."""
    shared = os.environ.get("WB_TEST_DATA")
    return Path(shared) / "data" / "cars64" / "train" if shared else None
