"""A recipe small enough for a test, and its parts; puts `fast_cases` within reach of the tests beside it."""

import os
import sys
from pathlib import Path

import pytest
import torch

from workbench.engine import assemble
from workbench.recipe import load

sys.path.insert(0, str(Path(__file__).parent))

TINY = [
    "parameterization=eps",
    "objective.weight=simple",
    "dataset.image_size=16",
    "denoiser={use='unet', channels=8, multipliers=[1, 2], blocks=1, attention=[]}",
    "sampler={use='ddim', steps=3}",
    "train.steps=6",
    "train.batch_size=8",
    "train.warmup=2",
    "train.log_every=1",
    "train.validate_every=3",
    "train.checkpoint_every=2",
    "train.precision=fp32",
    "evaluate.samples=4",
    "evaluate.grid=4",
    "evaluate.neighbours=2",
    "evaluate.real=4",
    "evaluate.every=0",
    "evaluate.at_start=false",
    "evaluate.features=[]",
    "evaluate.sampler={use='ddim', steps=2}",
]


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """Decoded data, made once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def parts_of(repository, cache):
    def make(*overrides, device="cpu"):
        return assemble(load(repository / "recipes" / "cars_linear.toml", [*TINY, *overrides]), torch.device(device), cache)

    return make


@pytest.fixture(scope="session")
def kernels_folder():
    # Of all processes of the test run: what one of them has built serves the others.
    return Path(os.environ["WB_CACHE"]) / "tested_kernels"
