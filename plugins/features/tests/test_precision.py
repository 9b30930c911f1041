"""Folding batch norms changes nothing but rounding, and precision is the user's to choose and the card's to tell."""

import pytest
import torch
from torch.nn import functional as F

from wb_features.efficientnet_lite0 import EfficientNetLite0, _folded, _network
from wb_features.folded import settled
from wb_features.inception import Inception

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(0)
    # Smooth pictures: noise would be averaged away by the resizing.
    coarse = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8, generator=generator)
    return F.interpolate(coarse.float(), size=32, mode="bilinear").round().to(torch.uint8)


def off(found, truth):
    return float((found - truth).norm() / truth.norm())


@torch.inference_mode()
def test_folded_batch_norms_change_nothing_but_rounding():
    x = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    assert off(_folded(_network()).extract_features(x), _network().extract_features(x)) < 1e-4


def test_features_in_bf16_are_those_of_fp32_but_for_rounding(images):
    exact = EfficientNetLite0(precision="fp32").build(CPU)(images)
    fast = EfficientNetLite0(precision="bf16").build(CPU)(images)
    assert fast.dtype == exact.dtype == torch.float32
    # Eight bits through fifty layers: well below what tells two pictures apart.
    assert 0.0 < off(fast, exact) < 0.25 * off(exact, exact.roll(1, 0))


def test_fp32_is_the_default_and_auto_is_settled_before_it_is_told():
    assert EfficientNetLite0().precision == Inception().precision == "fp32"
    chosen = EfficientNetLite0(precision="auto").on(CPU)
    assert chosen.precision == settled("auto", CPU)
    assert chosen.card().precision == chosen.precision in ("fp32", "bf16")


def test_precisions_are_kept_apart_in_the_card():
    cards = [EfficientNetLite0(precision=precision).card() for precision in ("fp32", "bf16")]
    assert cards[0] != cards[1]
