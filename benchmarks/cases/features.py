"""Inception features of the same images with the same weights."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks import ours
from benchmarks.cases import Setup
from benchmarks.data import cars
from benchmarks.peers import distances
from benchmarks.results import Comparison
from benchmarks.timing import Action, Contender

REFERENCE = "ours: inception, defaults"


def comparisons(setup: Setup) -> Iterator[Comparison]:
    """Yield 2048-d features with random weights, which take the same time as real ones, and 768-d features if there are real weights."""
    count = 4 if setup.quick else 64
    yield _comparison(f"2048-d, {count} images of 32 px, random weights", distances.random_weights(), 2048, count)
    if setup.inception is not None:
        weights = distances.complete(load_file(setup.inception))
        yield _comparison(f"768-d, {count} images of 32 px, weights of 2015", weights, 768, count)


def _comparison(title: str, weights: Mapping[str, Tensor], dims: int, count: int) -> Comparison:
    images = cars(count, 32).pixels

    def mine(stack: ExitStack, **settings: str) -> Action:
        path = _folder(stack) / "weights.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, path)
        return ours.features(path, dims, images, **settings)

    def fidelity(stack: ExitStack) -> Action:
        path = _folder(stack) / "weights.pth"
        torch.save(dict(weights), path)
        return distances.torch_fidelity_features(path, dims, images)

    return Comparison(
        case="features",
        title=title,
        unit="images/s",
        work=count,
        reference=REFERENCE,
        contenders=(
            Contender(REFERENCE, mine, keeps_freed=True),
            Contender("ours: inception, fp32", partial(mine, precision="fp32"), keeps_freed=True),
            Contender("pytorch-fid: InceptionV3", lambda _: distances.pytorch_fid_features(weights, dims, images)),
            Contender("torch-fidelity: inception-v3-compat", fidelity),
        ),
    )


def _folder(stack: ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory()))
