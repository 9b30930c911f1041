"""The layers of the networks."""

import pytest
import torch
from torch.nn import functional as F

from wb_denoisers.dit import DiT
from wb_denoisers.layers import group_count, sinusoids
from wb_denoisers.small_cnn import SmallCNN
from wb_denoisers.unet import UNet
from wb_denoisers.unet_blocks import Attention, Downsample, ResidualBlock, Upsample, double_resolution, halve_resolution
from workbench.interfaces import SampleSpec

SPEC = SampleSpec(3, 16, 16)


def test_embeddings_of_levels_a_tenth_apart_differ_and_are_still_similar():
    level = torch.linspace(-20, 20, 41)
    apart = (sinusoids(level + 0.1, 64) - sinusoids(level, 64)).norm(dim=1)
    assert (apart > 0.5).all()
    assert (apart < 0.2 * sinusoids(level, 64).norm(dim=1)).all()


def test_embeddings_of_levels_are_unique():
    waves = sinusoids(torch.linspace(-20, 20, 401), 64)
    distance = torch.cdist(waves, waves) + 100 * torch.eye(401)
    assert distance.min() > 0.5


@pytest.mark.parametrize(("channels", "expected"), [(512, 32), (128, 32), (64, 16), (48, 12), (8, 2), (37, 1)])
def test_there_are_32_groups_or_fewer_with_at_least_four_channels_each(channels, expected):
    assert group_count(channels) == expected


def test_untrained_attention_and_residual_blocks_are_the_identity():
    x = torch.randn(2, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Attention(16, 2)(x), x)
    assert torch.equal(ResidualBlock(16, 16, 8, 0.0)(x, torch.zeros(2, 8)), x)
    assert torch.equal(ResidualBlock(16, 16, 8, 0.0, scale_shift=True)(x, torch.randn(2, 8)), x)


def test_untrained_residual_blocks_only_resample():
    x = torch.randn(2, 16, 4, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(ResidualBlock(16, 16, 8, 0.0, resample=halve_resolution)(x, torch.zeros(2, 8)), halve_resolution(x))
    assert torch.equal(ResidualBlock(16, 16, 8, 0.0, resample=double_resolution)(x, torch.zeros(2, 8)), double_resolution(x))


def test_halving_takes_means_and_doubling_repeats():
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert halve_resolution(x)[0, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert double_resolution(x)[0, 0, :2, :4].tolist() == [[0.0, 0.0, 1.0, 1.0]] * 2
    assert torch.equal(halve_resolution(double_resolution(x)), x)


@pytest.mark.parametrize("scale_shift", [False, True])
@pytest.mark.parametrize("resample", [None, halve_resolution, double_resolution])
def test_residual_blocks_are_the_papers_formula(scale_shift, resample):
    # Ho et al. 2020, appendix B; Dhariwal & Nichol 2021, section 3.1: AdaGN(h, y) = y_s GroupNorm(h) + y_b, y_s written as 1 + scale.
    torch.manual_seed(0)
    block = ResidualBlock(8, 16, 4, 0.0, scale_shift, resample).double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x, embedding = torch.randn(2, 8, 4, 4, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)
    change = resample or (lambda image: image)

    def norm(layer, h):  # Wu & He 2018: 8 and 16 channels in groups of four
        grouped = h.reshape(len(h), -1, 4, *h.shape[2:])
        mean = grouped.mean((2, 3, 4), keepdim=True)
        variance = grouped.var((2, 3, 4), keepdim=True, correction=0)
        normed = ((grouped - mean) / (variance + 1e-5).sqrt()).reshape(h.shape)
        return normed * layer.weight[:, None, None] + layer.bias[:, None, None]

    def convolve(layer, h):
        return F.conv2d(h, layer.weight, layer.bias, padding=layer.padding)

    level = (embedding @ block.level.weight.T + block.level.bias)[:, :, None, None]
    h = convolve(block.conv1, change(F.silu(norm(block.norm1, x))))
    h = (1 + level[:, :16]) * norm(block.norm2, h) + level[:, 16:] if scale_shift else norm(block.norm2, h + level)
    expected = convolve(block.shortcut, change(x)) + convolve(block.conv2, F.silu(h))
    torch.testing.assert_close(block(x, embedding), expected)


def test_residual_resample_replaces_every_change_of_resolution():
    plain, residual = (
        UNet(channels=8, multipliers=(1, 1, 2), blocks=1, residual_resample=resample).build(SPEC) for resample in (False, True)
    )
    assert [type(module) for module in plain.modules() if isinstance(module, Downsample | Upsample)] == [Downsample] * 2 + [
        Upsample
    ] * 2
    assert not any(isinstance(module, Downsample | Upsample) for module in residual.modules())
    changes = [block.resample for block in residual.modules() if isinstance(block, ResidualBlock) and block.resample]
    assert changes == [halve_resolution] * 2 + [double_resolution] * 2


def test_attention_is_the_papers_softmax():
    # Vaswani et al. 2017, equation 1, on the pixels of one image, two heads.
    torch.manual_seed(0)
    attention = Attention(8, 2).double()
    torch.nn.init.normal_(attention.project.weight)
    x = torch.randn(1, 8, 3, 2, dtype=torch.float64)
    tokens = attention.norm(x)[0].flatten(1).T  # [n, c]
    q, k, v = attention.qkv(tokens).chunk(3, dim=1)
    heads = [((q[:, h] @ k[:, h].T) / 2.0).softmax(1) @ v[:, h] for h in (slice(0, 4), slice(4, 8))]
    expected = x[0] + attention.project(torch.cat(heads, dim=1)).T.reshape(8, 3, 2)
    torch.testing.assert_close(attention(x)[0], expected)


def test_skips_bypass_the_middle():
    torch.manual_seed(0)
    network = UNet(channels=8, multipliers=(1, 2), blocks=1, attention=()).build(SPEC).eval()
    torch.nn.init.normal_(network.leave.weight)
    network.middle[-1].register_forward_hook(lambda module, args, out: torch.zeros_like(out))
    first, second = (network(x, torch.zeros(1)) for x in torch.randn(2, 1, 3, 16, 16))
    assert not torch.allclose(first, second)


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    block, x, embedding = ResidualBlock(8, 8, 4, 0.5), torch.randn(1, 8, 4, 4), torch.zeros(1, 4)
    torch.nn.init.normal_(block.conv2.weight)
    assert not torch.equal(block(x, embedding), block(x, embedding))
    block.eval()
    assert torch.equal(block(x, embedding), block(x, embedding))


def test_attention_is_at_the_given_resolutions_and_in_the_middle():
    network = UNet(channels=8, multipliers=(1, 2), blocks=1, attention=(8,)).build(SPEC)
    assert [name for name, module in network.named_modules() if isinstance(module, Attention)] == [
        "down.2.attention", "middle.0.attention", "up.0.attention", "up.1.attention",
    ]  # fmt: skip


def test_dilations_cycle_through_1_2_4_8():
    blocks = SmallCNN(channels=8, depth=5).build(SPEC).blocks
    assert [block.conv1.dilation[0] for block in blocks] == [1, 2, 4, 8, 1]


@pytest.mark.parametrize(
    "denoiser",
    [
        UNet(channels=8, multipliers=(1, 2), blocks=1),
        UNet(channels=8, multipliers=(1, 2), blocks=1, scale_shift=True, residual_resample=True),
        DiT(width=32, depth=1, heads=2),
        SmallCNN(channels=8, depth=2),
    ],
    ids=repr,
)
def test_the_memory_format_makes_no_difference(denoiser):
    torch.manual_seed(0)
    network = denoiser.build(SPEC).eval()
    torch.nn.init.normal_(network.leave.weight)
    x, level = torch.randn(2, 3, 16, 16), torch.zeros(2)
    expected = network(x, level)
    result = network.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last), level)
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-4)
