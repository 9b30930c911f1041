"""A recipe small enough for a test, and its parts; puts `fast_cases` within reach of the tests beside it."""

import os
import sys
from pathlib import Path

import pytest
import torch

from workbench.engine import assemble
from workbench.recipe import load

sys.path.insert(0, str(Path(__file__).parent))

# A U-Net in float32, of which much is recorded.
SETTINGS = [
    "parameterization=eps",
    "denoiser={use='unet', channels=8, multipliers=[1, 2], blocks=1, attention=[]}",
    "train={steps=6, batch_size=8, warmup=2, log_every=1, validate_every=3, checkpoint_every=2, precision='fp32'}",
    "evaluate.neighbours=2",
    "evaluate.real=4",
]


@pytest.fixture(scope="session")
def cache():
    """Decoded data, made once for all tests."""
    return Path(os.environ["WB_CACHE"])


@pytest.fixture
def parts_of(tiny, cache):
    def make(*overrides, device="cpu"):
        return assemble(load(tiny, [*SETTINGS, *overrides]), torch.device(device), cache)

    return make


@pytest.fixture(scope="session")
def kernels_folder():
    # Of all processes of the test run: what one of them has built serves the others.
    return Path(os.environ["WB_CACHE"]) / "tested_kernels"
