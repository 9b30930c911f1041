"""Networks."""

import pytest
import torch

from wb_denoisers.layers import groups, sinusoids
from wb_denoisers.small_cnn import SmallCNN
from wb_denoisers.unet import UNet
from wb_denoisers.unet_network import Attention, ResidualBlock
from workbench.interfaces import CombinationError, SampleSpec

SPEC = SampleSpec(3, 16, 16, classes=("a", "b", "c"))
SMALL = [
    UNet(channels=16, multipliers=(1, 2), blocks=1, attention=(8,)),
    UNet(channels=16, multipliers=(1, 2), blocks=1, attention=(8,), patch=2, heads=2, dropout=0.1),
    SmallCNN(channels=16, depth=4),
]
EACH = pytest.mark.parametrize("denoiser", SMALL, ids=repr)


def built(denoiser, spec=SPEC):
    torch.manual_seed(0)
    return denoiser.build(spec)


def awake(network):
    """The network with no layer at zero, as after training."""
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return network.eval()


def test_the_ddpm_papers_cifar10_network_has_its_35_7_million_parameters():
    settings = UNet(channels=128, multipliers=(1, 2, 2, 2), blocks=2, attention=(16,), dropout=0.1)
    with torch.device("meta"):
        network = settings.build(SampleSpec(3, 32, 32))
    assert sum(each.numel() for each in network.parameters()) / 1e6 == pytest.approx(35.7, abs=0.1)


@EACH
def test_the_output_has_the_shape_of_the_input_and_starts_at_zero(denoiser):
    out = built(denoiser).eval()(torch.randn(2, 3, 16, 16), torch.zeros(2), None)
    assert out.shape == (2, 3, 16, 16)
    assert not out.any()


@EACH
def test_images_of_a_batch_do_not_influence_one_another(denoiser):
    network = awake(built(denoiser))
    x, level, cond = torch.randn(4, 3, 16, 16), torch.tensor([-8.0, -1.0, 3.0, 9.0]), torch.tensor([0, 2, -1, 1])
    whole = network(x, level, cond)
    alone = torch.cat([network(x[i : i + 1], level[i : i + 1], cond[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(alone, whole, rtol=1e-4, atol=1e-4)


@EACH
def test_level_and_class_make_a_difference_and_minus_one_is_no_class(denoiser):
    network = awake(built(denoiser))
    x, zero = torch.randn(1, 3, 16, 16), torch.zeros(1)
    base = network(x, zero, None)
    assert not torch.allclose(network(x, zero + 0.5, None), base)
    assert not torch.allclose(network(x, zero, torch.tensor([1])), base)
    torch.testing.assert_close(network(x, zero, torch.tensor([-1])), base)


@EACH
def test_gradients_reach_every_parameter(denoiser):
    network = awake(built(denoiser)).train()
    network(torch.randn(4, 3, 16, 16), torch.randn(4), torch.tensor([0, 1, 2, -1])).square().sum().backward()
    assert [name for name, each in network.named_parameters() if each.grad is None or not each.grad.any()] == []


@EACH
def test_state_dicts_travel(denoiser):
    first, second = awake(built(denoiser)), built(denoiser).eval()
    second.load_state_dict(first.state_dict())
    x = torch.randn(1, 3, 16, 16)
    assert torch.equal(first(x, torch.zeros(1), None), second(x, torch.zeros(1), None))


@EACH
def test_bf16_autocast_agrees_with_fp32(denoiser):
    network = awake(built(denoiser))
    x, level = torch.randn(2, 3, 16, 16), torch.zeros(2)
    exact = network(x, level, None)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = network(x, level, None).float()
    assert (rough - exact).norm() < 0.05 * exact.norm()


@EACH
def test_labels_for_a_network_without_classes_are_an_error(denoiser):
    network = built(denoiser, SampleSpec(3, 16, 16))
    with pytest.raises(ValueError, match="without classes"):
        network(torch.zeros(1, 3, 16, 16), torch.zeros(1), torch.tensor([0]))
    network(torch.zeros(1, 3, 16, 16), torch.zeros(1), torch.tensor([-1]))


def test_sides_that_cannot_be_halved_are_refused_with_the_field_to_change():
    for settings in (UNet(multipliers=(1, 2, 2)), UNet(multipliers=(1,), patch=4)):
        with pytest.raises(CombinationError, match="18 x 18") as caught:
            settings.check(SampleSpec(3, 18, 18))
        assert caught.value.key == "denoiser.multipliers"


def test_any_size_and_channel_count_works():
    assert built(SmallCNN(channels=8, depth=1), SampleSpec(1, 13, 17)).eval()(
        torch.zeros(1, 1, 13, 17), torch.zeros(1), None
    ).shape == (1, 1, 13, 17)
    network = built(UNet(channels=8, multipliers=(1, 3), blocks=1, attention=()), SampleSpec(4, 24, 8)).eval()
    assert network(torch.zeros(1, 4, 24, 8), torch.zeros(1), None).shape == (1, 4, 24, 8)


def test_heads_must_divide_the_channels():
    with pytest.raises(ValueError, match="heads"):
        UNet(channels=32, heads=5)


def test_levels_a_hundredth_apart_look_different_and_so_do_the_ends():
    waves = sinusoids(torch.tensor([0.0, 0.01, -20.0, 20.0]), 64)
    assert (waves[0] - waves[1]).norm() > 0.2
    assert (waves[2] - waves[3]).norm() > 2.0


def test_norms_have_32_groups_or_the_largest_number_that_divides():
    assert [groups(channels) for channels in (32, 64, 48, 20, 7, 96, 128)] == [32, 32, 24, 20, 7, 32, 32]


def test_blocks_start_as_the_identity():
    x = torch.randn(2, 32, 8, 8)
    torch.testing.assert_close(Attention(32, 2)(x), x)
    torch.testing.assert_close(ResidualBlock(32, 32, 16, 0.0)(x, torch.randn(2, 16)), x)


def test_attention_is_softmax_attention_over_all_pixels():
    block = Attention(8, 2)
    torch.nn.init.normal_(block.project.weight)
    x = torch.randn(1, 8, 3, 2)
    q, k, v = block.qkv(block.norm(x).flatten(2).transpose(1, 2)).chunk(3, -1)  # [1, 6, 8]
    heads = []
    for h in (slice(0, 4), slice(4, 8)):
        weights = (q[..., h] @ k[..., h].transpose(1, 2) / 2.0).softmax(-1)  # 2 = sqrt of 4 channels per head
        heads.append(weights @ v[..., h])
    expected = x + block.project(torch.cat(heads, -1)).transpose(1, 2).reshape(1, 8, 3, 2)
    torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-5)


def test_dropout_drops_while_training_only():
    network = awake(built(UNet(channels=16, multipliers=(1,), blocks=1, attention=(), dropout=0.5)))
    x, level = torch.randn(1, 3, 16, 16), torch.zeros(1)
    assert torch.equal(network(x, level, None), network(x, level, None))
    network.train()
    assert not torch.equal(network(x, level, None), network(x, level, None))


def test_small_cnn_sees_as_far_as_its_dilations_reach():
    network = awake(built(SmallCNN(channels=8, depth=4), SampleSpec(1, 1, 65)))
    x = torch.randn(1, 1, 1, 65, requires_grad=True)
    network(x, torch.zeros(1), None)[0, 0, 0, 32].backward()
    reached = x.grad[0, 0, 0].nonzero().flatten()
    # Blocks of dilation 1, 2, 4, 8 and their second convolutions, the first and the last one: 15 + 4 + 2. Group norm sees everything faintly.
    strong = (x.grad[0, 0, 0].abs() > 0.01 * x.grad.abs().max()).nonzero().flatten()
    assert reached.numel() > 40
    assert strong.min() < 32 - 8
    assert strong.max() > 32 + 8


def test_skips_carry_detail_past_the_lowest_resolution():
    network = awake(built(UNet(channels=16, multipliers=(1, 2), blocks=1, attention=()), SampleSpec(3, 16, 16)))
    fine = torch.zeros(1, 3, 16, 16)
    fine[..., ::2, ::2] = 1.0
    shifted = fine.roll(1, -1)
    torch.nn.init.zeros_(network.down[1].conv.weight)  # nothing passes below
    assert (network(fine, torch.zeros(1), None) - network(shifted, torch.zeros(1), None)).abs().max() > 1e-3
