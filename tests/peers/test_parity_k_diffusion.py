"""Our samplers give the results of k-diffusion on Karras' sigmas with the same noise."""

import importlib.util

import matched
import pytest
import torch

for package in ("k_diffusion", "torchdiffeq", "torchsde"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed (make peers)", allow_module_level=True)

pytestmark = pytest.mark.peers

COMPARISONS = matched.k_diffusion_comparisons()


@pytest.mark.parametrize("comparison", COMPARISONS, ids=lambda pair: f"{pair.sampler} is {pair.peer}")
def test_final_images_are_equal_in_float32(comparison):
    assert comparison.difference(torch.float32) < 2e-5


@pytest.mark.parametrize("comparison", COMPARISONS, ids=lambda pair: f"{pair.sampler} is {pair.peer}")
def test_final_images_are_equal_to_rounding_in_float64(comparison):
    assert comparison.difference(torch.float64) < 1e-12


def test_the_compared_module_is_their_installed_file():
    module = matched.k_diffusion()
    assert module.__file__.endswith("k_diffusion/sampling.py")
    assert "site-packages" in module.__file__
