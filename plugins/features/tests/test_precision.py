"""Folding batch norms changes rounding only; the user chooses the precision, and the card contains it."""

import copy

import pytest
import torch
from torch.nn import functional as F

from wb_features.efficientnet_lite0 import EfficientNetLite0, _fold_norms, _network
from wb_features.folded import choose_precision
from wb_features.inception import Inception
from wb_features.inception_network import InceptionNetwork

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(0)
    # Smooth images: the resizing would average noise away.
    coarse = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8, generator=generator)
    return F.interpolate(coarse.float(), size=32, mode="bilinear").round().to(torch.uint8)


def relative_error(value, truth):
    return float((value - truth).norm() / truth.norm())


@torch.inference_mode()
def test_folded_batch_norms_change_rounding_only():
    x = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    assert relative_error(_fold_norms(_network()).extract_features(x), _network().extract_features(x)) < 1e-4


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 1e-4), (torch.bfloat16, 0.02)])
@torch.inference_mode()
def test_a_fused_network_gives_the_features_of_a_plain_one(images, dtype, allowed):
    plain = InceptionNetwork(2048).eval()
    generator = torch.Generator().manual_seed(0)
    for name, value in plain.state_dict().items():
        if value.dim() == 4:
            value.normal_(0.0, (2.0 / value[0].numel()) ** 0.5, generator=generator)
        elif name.endswith(("running_mean", "bn.bias")):
            value.normal_(0.0, 0.1, generator=generator)
    truth = plain(images)
    fast = copy.deepcopy(plain).fold_norms().to(dtype, memory_format=torch.channels_last)
    assert relative_error(fast(images), truth) < allowed
    assert torch.equal(fast(images[:2]), fast(images)[:2])  # weights that were reordered for six images also work for two


def test_features_in_bf16_are_those_of_fp32_except_for_rounding(images):
    exact = EfficientNetLite0(precision="fp32").build(CPU)(images)
    fast = EfficientNetLite0(precision="bf16").build(CPU)(images)
    assert fast.dtype == exact.dtype == torch.float32
    # Eight bits through fifty layers: well below the difference between two images.
    assert 0.0 < relative_error(fast, exact) < 0.25 * relative_error(exact, exact.roll(1, 0))


def test_defaults_do_not_change_distances_and_auto_is_resolved_before_the_card():
    # Measured on 2 x 5,000 photographs: bf16 moves Inception's distance by 0.1 %, and EfficientNet's by 5 %.
    assert (EfficientNetLite0().precision, Inception().precision) == ("fp32", "auto")
    chosen = EfficientNetLite0(precision="auto").on(CPU)
    assert chosen.precision == choose_precision("auto", CPU)
    assert chosen.card().precision == chosen.precision in ("fp32", "bf16")


def test_cards_of_different_precisions_differ():
    cards = [EfficientNetLite0(precision=precision).card() for precision in ("fp32", "bf16")]
    assert cards[0] != cards[1]
