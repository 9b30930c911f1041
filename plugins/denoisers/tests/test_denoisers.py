"""Networks against their papers, and their laws."""

import copy

import pytest
import torch

from wb_denoisers.dit import DiT
from wb_denoisers.small_cnn import SmallCNN
from wb_denoisers.unet import UNet
from workbench.interfaces import CombinationError, SampleSpec

SPEC = SampleSpec(3, 16, 16, classes=("a", "b", "c"))
SMALL = [
    UNet(channels=16, multipliers=(1, 2), blocks=1, attention=(8,)),
    UNet(channels=16, multipliers=(1, 2), blocks=1, attention=(8,), patch=2, heads=2, dropout=0.1),
    UNet(channels=16, multipliers=(1, 2), blocks=1, attention=(8,), scale_shift=True),
    UNet(channels=16, multipliers=(1, 2), blocks=1, attention=(8,), scale_shift=True, residual_resample=True),
    DiT(width=32, depth=2, heads=2),
    DiT(width=24, depth=1, heads=3, patch=2, mlp_ratio=1.5),
    SmallCNN(channels=16, depth=4),
]
EVERY_DENOISER = pytest.mark.parametrize("denoiser", SMALL, ids=repr)


def build(denoiser, spec=SPEC):
    torch.manual_seed(0)
    return denoiser.build(spec)


def randomize_zeros(network):
    """Randomize the parameters that are zero, as after training."""
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return network.eval()


def test_the_ddpm_papers_cifar10_network_has_its_35_7_million_parameters():
    settings = UNet(channels=128, multipliers=(1, 2, 2, 2), blocks=2, attention=(16,), dropout=0.1)
    with torch.device("meta"):
        network = settings.build(SampleSpec(3, 32, 32))
    assert sum(parameter.numel() for parameter in network.parameters()) / 1e6 == pytest.approx(35.7, abs=0.1)


@pytest.mark.parametrize(
    ("size", "classes", "channels", "multipliers", "blocks", "million"),
    [
        (64, 1000, 192, (1, 2, 3, 4), 3, 296),
        (128, 1000, 256, (1, 1, 2, 3, 4), 2, 422),
        (256, 1000, 256, (1, 1, 2, 2, 4, 4), 2, 554),
    ],
)
def test_the_adm_papers_imagenet_networks_have_their_parameters(size, classes, channels, multipliers, blocks, million):
    # Dhariwal & Nichol 2021, appendix I. Their networks also predict a variance, and have no row for "no class": at most 7,000 parameters.
    settings = UNet(
        channels=channels, multipliers=multipliers, blocks=blocks, attention=(32, 16, 8), scale_shift=True, residual_resample=True
    )
    with torch.device("meta"):
        network = settings.build(SampleSpec(3, size, size, classes=tuple(map(str, range(classes)))))
    assert round(sum(parameter.numel() for parameter in network.parameters()) / 1e6) == million


@EVERY_DENOISER
def test_the_output_has_the_shape_of_the_input_and_starts_at_zero(denoiser):
    out = build(denoiser).eval()(torch.randn(2, 3, 16, 16), torch.zeros(2), None)
    assert out.shape == (2, 3, 16, 16)
    assert not out.any()


@EVERY_DENOISER
def test_images_of_a_batch_do_not_influence_each_other(denoiser):
    network = randomize_zeros(build(denoiser))
    x, level, cond = torch.randn(4, 3, 16, 16), torch.tensor([-8.0, -1.0, 3.0, 9.0]), torch.tensor([0, 2, -1, 1])
    whole = network(x, level, cond)
    alone = torch.cat([network(x[i : i + 1], level[i : i + 1], cond[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(alone, whole, rtol=1e-4, atol=1e-4)


@EVERY_DENOISER
def test_level_and_class_change_the_output_and_minus_one_is_no_class(denoiser):
    network = randomize_zeros(build(denoiser))
    x, zero = torch.randn(1, 3, 16, 16), torch.zeros(1)
    base = network(x, zero, None)
    assert not torch.allclose(network(x, zero + 0.5, None), base)
    assert not torch.allclose(network(x, zero, torch.tensor([1])), base)
    torch.testing.assert_close(network(x, zero, torch.tensor([-1])), base)


@EVERY_DENOISER
def test_gradients_reach_every_parameter(denoiser):
    network = randomize_zeros(build(denoiser)).train()
    network(torch.randn(4, 3, 16, 16), torch.randn(4), torch.tensor([0, 1, 2, -1])).square().sum().backward()
    assert [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()] == []


@EVERY_DENOISER
def test_a_state_dict_holds_all_weights(denoiser):
    first, second = randomize_zeros(build(denoiser)), build(denoiser).eval()
    second.load_state_dict(first.state_dict())
    x = torch.randn(1, 3, 16, 16)
    assert torch.equal(first(x, torch.zeros(1), None), second(x, torch.zeros(1), None))


@EVERY_DENOISER
def test_bf16_autocast_agrees_with_fp32(denoiser):
    network = randomize_zeros(build(denoiser))
    x, level = torch.randn(2, 3, 16, 16), torch.zeros(2)
    exact = network(x, level, None)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = network(x, level, None).float()
    assert (rough - exact).norm() < 0.05 * exact.norm()


@EVERY_DENOISER
def test_labels_for_a_network_without_classes_are_an_error(denoiser):
    network = build(denoiser, SampleSpec(3, 16, 16))
    with pytest.raises(ValueError, match="without classes"):
        network(torch.zeros(1, 3, 16, 16), torch.zeros(1), torch.tensor([0]))
    network(torch.zeros(1, 3, 16, 16), torch.zeros(1), torch.tensor([-1]))


def test_sides_that_patches_do_not_tile_are_refused_with_the_field_to_change():
    for shape in ((3, 18, 16), (3, 16, 18)):
        with pytest.raises(CombinationError, match=r"multiples of 4, but the images are 1[68] x 1[68]") as caught:
            DiT(patch=4).build(SampleSpec(*shape))
        assert caught.value.key == "denoiser.patch"


def test_sides_that_cannot_be_halved_are_refused_with_the_field_to_change():
    for settings in (UNet(multipliers=(1, 2, 2)), UNet(multipliers=(1,), patch=4)):
        with pytest.raises(CombinationError, match="18 x 18") as caught:
            settings.check(SampleSpec(3, 18, 18))
        assert caught.value.key == "denoiser.multipliers"


def test_any_size_and_channel_count_works():
    assert build(SmallCNN(channels=8, depth=1), SampleSpec(1, 13, 17)).eval()(
        torch.zeros(1, 1, 13, 17), torch.zeros(1), None
    ).shape == (1, 1, 13, 17)
    for settings in (
        UNet(channels=8, multipliers=(1, 3), blocks=1, attention=()),
        UNet(channels=8, multipliers=(1, 3), blocks=1, attention=(), residual_resample=True),
        DiT(width=8, depth=1, heads=1),
    ):
        network = build(settings, SampleSpec(4, 24, 8)).eval()
        assert network(torch.zeros(1, 4, 24, 8), torch.zeros(1), None).shape == (1, 4, 24, 8)


def test_heads_must_divide_the_channels():
    with pytest.raises(ValueError, match="heads"):
        UNet(channels=32, heads=5)
    with pytest.raises(ValueError, match="heads"):
        DiT(width=32, heads=5)


@EVERY_DENOISER
def test_a_network_without_labels_reads_weights_with_a_label_embedding(denoiser):
    """Earlier versions: networks without labels always added the row for "no class"."""
    before, now = randomize_zeros(build(denoiser)), copy.deepcopy(build(denoiser, SampleSpec(3, 16, 16))).eval()
    assert not any("label" in name for name in now.state_dict())
    now.load_state_dict(before.state_dict())
    x, level = torch.randn(3, 3, 16, 16), torch.tensor([-8.0, 0.0, 8.0])
    with torch.no_grad():
        torch.testing.assert_close(now(x, level, None), before(x, level, None), rtol=1e-4, atol=1e-5)
    with pytest.raises(RuntimeError, match="Unexpected"):
        now.load_state_dict({**before.state_dict(), "embedding.other": torch.zeros(1)})
