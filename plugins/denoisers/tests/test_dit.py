"""The Diffusion Transformer against the paper's formulas and tables (Peebles & Xie 2023)."""

import math

import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from wb_denoisers.dit import DiT
from wb_denoisers.dit_network import Attention, Block, patchify, sincos_positions, unpatchify
from workbench.interfaces import SampleSpec

SPEC = SampleSpec(3, 8, 8)


def randomize(network):
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network.eval()


@pytest.mark.parametrize(
    ("depth", "width", "heads", "patch", "million", "gflop"),
    [
        pytest.param(12, 384, 6, 8, 33, 0.36, id="DiT-S/8"),
        pytest.param(12, 384, 6, 2, 33, 6.06, id="DiT-S/2"),
        pytest.param(12, 768, 12, 8, 131, 1.42, id="DiT-B/8"),
        pytest.param(12, 768, 12, 2, 130, 23.01, id="DiT-B/2"),
        pytest.param(24, 1024, 16, 2, 458, 80.71, id="DiT-L/2"),
        pytest.param(28, 1152, 16, 2, 675, 118.64, id="DiT-XL/2"),
    ],
)
def test_the_named_sizes_have_the_papers_parameters_and_cost(depth, width, heads, patch, million, gflop):
    # Table 4: latents of 32 x 32 x 4, 1000 classes; a multiplication with an addition counts as one operation.
    spec = SampleSpec(4, 32, 32, classes=tuple(map(str, range(1000))))
    with torch.device("meta"):
        network = DiT(depth=depth, width=width, heads=heads, patch=patch).build(spec)
        with FlopCounterMode(display=False) as counter:
            network(torch.zeros(1, *spec.shape), torch.zeros(1), None)
    # Their network has four more output channels, for the variance.
    tokens, variance = (32 // patch) ** 2, 4 * patch**2
    parameters = sum(parameter.numel() for parameter in network.parameters()) + variance * (width + 1)
    assert round(parameters / 1e6) == million
    operations = counter.get_total_flops() / 2 + tokens * variance * width
    assert operations / 1e9 == pytest.approx(gflop, rel=1e-3, abs=0.005)


def test_the_blocks_of_an_untrained_network_are_the_identity():
    x, embedding = torch.randn(2, 4, 16), torch.randn(2, 16)
    blocks = DiT(width=16, depth=3, heads=2).build(SPEC).blocks
    assert len(blocks) == 3
    assert all(torch.equal(block(x, embedding), x) for block in blocks)


def test_blocks_whose_gates_are_one_are_torchs_pre_norm_encoder_layer():
    torch.manual_seed(0)
    block = Block(16, 4, 24).double()
    shift1, scale1, shift2, scale2 = torch.randn(4, 16, dtype=torch.float64)
    one = torch.ones(16, dtype=torch.float64)
    block.modulation.bias.data = torch.cat([shift1, scale1, one, shift2, scale2, one])
    theirs = torch.nn.TransformerEncoderLayer(
        16,
        4,
        24,
        dropout=0.0,
        activation=lambda x: F.gelu(x, approximate="tanh"),
        layer_norm_eps=1e-6,
        batch_first=True,
        norm_first=True,
    ).double()
    theirs.load_state_dict(
        {
            "self_attn.in_proj_weight": block.attention.qkv.weight,
            "self_attn.in_proj_bias": block.attention.qkv.bias,
            "self_attn.out_proj.weight": block.attention.project.weight,
            "self_attn.out_proj.bias": block.attention.project.bias,
            "linear1.weight": block.mlp[0].weight,
            "linear1.bias": block.mlp[0].bias,
            "linear2.weight": block.mlp[2].weight,
            "linear2.bias": block.mlp[2].bias,
            "norm1.weight": 1 + scale1,
            "norm1.bias": shift1,
            "norm2.weight": 1 + scale2,
            "norm2.bias": shift2,
        }
    )
    x, embedding = torch.randn(3, 7, 16, dtype=torch.float64), torch.randn(3, 16, dtype=torch.float64)
    torch.testing.assert_close(block(x, embedding), theirs(x))


def test_the_last_layers_are_adaptive_layer_norm_and_linear():
    torch.manual_seed(0)
    network = DiT(width=16, depth=2, heads=2).build(SPEC)  # its blocks are the identity
    torch.nn.init.normal_(network.leave.weight)
    x, level = torch.randn(2, 3, 8, 8), torch.tensor([-3.0, 5.0])
    normal = F.layer_norm(network.enter(patchify(x, 4)) + network.positions, (16,), eps=1e-6)
    torch.testing.assert_close(
        network(x, level), unpatchify(network.leave(normal), 4, (2, 2))
    )  # before training: scale 1 and shift 0

    torch.nn.init.normal_(network.modulation.weight, std=10.0)
    shift, scale = network.modulation(F.silu(network.embedding(level, None)))[:, None].split(16, dim=2)
    torch.testing.assert_close(network(x, level), unpatchify(network.leave((1 + scale) * normal + shift), 4, (2, 2)))


def test_gates_multiply_the_output_of_each_branch():
    torch.manual_seed(0)
    block, x, embedding = Block(16, 2, 32).double(), torch.randn(2, 5, 16).double(), torch.randn(2, 16).double()
    gates = torch.zeros(2, 6, 16, dtype=torch.float64)
    added = []
    for gate in (1.0, -2.5):
        gates[:, 2] = gate
        block.modulation.register_forward_hook(lambda *_: gates.flatten(1))
        added.append(block(x, embedding) - x)
    torch.testing.assert_close(added[1], -2.5 * added[0])
    torch.testing.assert_close(added[0], block.attention(F.layer_norm(x, (16,), eps=1e-6)))


def test_attention_is_the_papers_softmax():
    # Vaswani et al. 2017, equation 1, on the tokens of one image, two heads.
    torch.manual_seed(0)
    attention, tokens = Attention(8, 2).double(), torch.randn(6, 8, dtype=torch.float64)
    q, k, v = attention.qkv(tokens).chunk(3, dim=1)
    heads = [((q[:, h] @ k[:, h].T) / 2.0).softmax(1) @ v[:, h] for h in (slice(0, 4), slice(4, 8))]
    torch.testing.assert_close(attention(tokens[None])[0], attention.project(torch.cat(heads, dim=1)))


@pytest.mark.parametrize(("channels", "height", "width", "patch"), [(3, 8, 8, 2), (1, 12, 4, 4), (4, 6, 9, 3), (3, 5, 7, 1)])
def test_unpatchify_is_the_inverse_of_patchify_and_tokens_are_the_patches(channels, height, width, patch):
    x = torch.randn(2, channels, height, width, generator=torch.Generator().manual_seed(0))
    tokens, columns = patchify(x, patch), width // patch
    assert torch.equal(unpatchify(tokens, patch, (height // patch, columns)), x)
    for n in range(tokens.shape[1]):
        top, left = n // columns * patch, n % columns * patch
        assert torch.equal(tokens[:, n], x[:, :, top : top + patch, left : left + patch].flatten(1))


def test_positions_are_sines_and_cosines_of_column_and_row():
    # Vaswani et al. 2017, section 3.5: waves of 10000^(-i / half), for each direction in half of the features.
    rows, columns, width = 3, 5, 16
    expected = [
        [wave(place / 10_000 ** (i / 4)) for place in (column, row) for wave in (math.sin, math.cos) for i in range(4)]
        for row in range(rows)
        for column in range(columns)
    ]
    torch.testing.assert_close(sincos_positions(rows, columns, width), torch.tensor(expected))
    assert torch.cdist(sincos_positions(32, 32, 16), sincos_positions(32, 32, 16)).fill_diagonal_(1.0).min() > 0.1


def test_the_output_depends_on_the_position_of_a_patch():
    torch.manual_seed(0)
    network = randomize(DiT(width=16, depth=1, heads=2).build(SPEC))
    x = torch.randn(1, 3, 8, 8)
    swapped = x.roll(4, dims=3)
    assert not torch.allclose(network(swapped, torch.zeros(1)).roll(4, dims=3), network(x, torch.zeros(1)), atol=1e-3)


def test_every_patch_depends_on_every_other():
    torch.manual_seed(0)
    network = randomize(DiT(width=16, depth=1, heads=2, patch=2).build(SPEC))
    x = torch.randn(1, 3, 8, 8, requires_grad=True)
    network(x, torch.zeros(1))[0, :, 0, 0].sum().backward()
    assert x.grad.all()


def test_the_mlps_hidden_features_are_a_multiple_of_the_width():
    network = DiT(width=16, depth=2, heads=2, mlp_ratio=1.5).build(SPEC)
    assert [tuple(layer.weight.shape) for block in network.blocks for layer in (block.mlp[0], block.mlp[2])] == [
        (24, 16),
        (16, 24),
    ] * 2


def test_positions_are_not_in_the_state_dict():
    assert "positions" not in DiT(width=16, depth=1, heads=2).build(SPEC).state_dict()
