"""Attention of narrow heads, compiled and uncompiled, equals attention in float64."""

from functools import partial

import pytest
import torch
from torch.nn import functional as F

from tests.compute.fast_cases import build_kernels, needs_compiler, normal, relative_errors, uncompiled, value_and_gradients
from workbench.compute.fast import attention, narrow_attention
from workbench.compute.fast.choices import Choices
from workbench.compute.fast.exponential import SMALLEST, SQUARES, exponential, sigmoid
from workbench.compute.fast.mode import FastPath
from workbench.diffusion import attend

NARROW = [
    pytest.param(False, id="uncompiled"),
    pytest.param(True, id="compiled", marks=[needs_compiler, pytest.mark.long]),
]


@pytest.fixture
def narrow(request, kernels_folder):
    """A function from dtype to kernels for heads of 8 channels."""
    if request.param:
        return lambda dtype: build_kernels(kernels_folder, narrow_attention.family(8, dtype))
    return uncompiled_kernels


def uncompiled_kernels(dtype):
    return uncompiled(narrow_attention.blueprints(8, dtype))


def scores_and_values(batch, heads, tokens, spread):
    return [spread**0.5 * normal(batch, heads, tokens, 8, seed=seed) for seed in range(3)]


def test_exponentials_equal_those_of_float64():
    x = torch.linspace(-12.0, 12.0, 10_001)
    values = exponential(x / 2**SQUARES - SMALLEST)
    error = (values.double() / x.double().exp() - 1.0).abs()
    assert error.max() < 2e-4
    assert error[x.abs() < 6.0].max() < 2e-5
    sigmoids = sigmoid(torch.tensor([-torch.inf, -1e4, -90.0, 0.0, 90.0, 1e4, torch.inf]))
    torch.testing.assert_close(sigmoids, torch.tensor([0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0]), rtol=1e-5, atol=1e-30)
    assert sigmoid(torch.tensor(torch.nan)).isnan()


@pytest.mark.parametrize("narrow", NARROW, indirect=True)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
# Scores of up to 2, for which no highest one is subtracted, and of up to 500.
@pytest.mark.parametrize(
    ("batch", "heads", "tokens", "spread"),
    [(2, 4, 256, 0.3), (2, 4, 256, 1.0), (1, 1, 16, 1.0), (3, 2, 48, 8.0), (2, 2, 112, 30.0)],
)
def test_attention_of_narrow_heads_and_its_gradients_equal_those_of_float64(narrow, batch, heads, tokens, spread, dtype):
    ours = partial(narrow_attention.narrow_attention, narrow(dtype))
    tensors = scores_and_values(batch, heads, tokens, spread)
    gradient = normal(batch, heads, tokens, 8, seed=3)
    truth = value_and_gradients(F.scaled_dot_product_attention, tensors, gradient, [torch.float64] * 3)
    our_errors = relative_errors(value_and_gradients(ours, tensors, gradient, [dtype] * 3), truth)
    torch_errors = relative_errors(value_and_gradients(F.scaled_dot_product_attention, tensors, gradient, [dtype] * 3), truth)
    if dtype == torch.float32:
        assert max(our_errors) < 2e-5
    else:
        assert all(a < 2.0 * b for a, b in zip(our_errors, torch_errors, strict=True))


@pytest.mark.parametrize("narrow", NARROW, indirect=True)
@pytest.mark.parametrize("spread", [0.3, 8.0])
@pytest.mark.parametrize("layout", [lambda qkv: qkv, lambda qkv: qkv.mT.contiguous().mT], ids=["by token", "by channel"])
def test_attention_of_queries_keys_and_values_in_one_tensor_equals_that_of_float64(narrow, spread, layout):
    qkv, gradient = spread**0.5 * normal(3, 48, 3 * 16), normal(3, 48, 16, seed=1)
    truth = value_and_gradients(lambda qkv: attend(qkv, 2), [qkv], gradient, [torch.float64])
    ours = partial(narrow_attention.narrow_attend, narrow(torch.float32), heads=2)
    results = value_and_gradients(lambda qkv: ours(layout(qkv)), [qkv], gradient, [torch.float32])
    assert max(relative_errors(results, truth)) < 2e-5


@pytest.mark.parametrize("narrow", NARROW, indirect=True)
@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("spread", [0.3, 8.0])
def test_nan_remains_nan_in_attention(narrow, at, spread):
    tensors = [tensor.float() for tensor in scores_and_values(2, 2, 48, spread)]
    tensors[at][0, 1, 5, 3] = torch.nan
    out = narrow_attention.narrow_attention(narrow(torch.float32), *tensors)
    expected = F.scaled_dot_product_attention(*tensors)
    assert torch.equal(out.isnan(), expected.isnan())
    assert expected.isnan().any()


def test_attention_of_an_image_is_bit_equal_in_every_batch():
    # An image whose highest score is subtracted, between two with small scores.
    qkv = torch.stack([normal(48, 48).float() * size for size in (0.5, 5.0, 0.5)])
    kernels = uncompiled_kernels(torch.float32)
    whole = narrow_attention.narrow_attend(kernels, qkv, 2)
    for at in range(3):
        assert torch.equal(narrow_attention.narrow_attend(kernels, qkv[at : at + 1], 2), whole[at : at + 1])


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_attention_of_values_that_are_not_finite_is_nan(bad):
    q = normal(1, 1, 16, 8).float()
    q[0, 0, 0, 0] = bad
    out = narrow_attention.narrow_attention(uncompiled_kernels(torch.float32), q, q, q)
    assert out.isnan().any()


@pytest.mark.parametrize(("tokens", "width"), [(10, 8), (16, 9)])
def test_narrow_attention_supports_multiples_of_16_tokens_and_at_most_8_channels(tokens, width):
    q = normal(1, 2, tokens, width).float()
    assert not narrow_attention.is_supported(q, q, q)
    assert narrow_attention.is_supported(*[normal(1, 2, 16, 8).float()] * 3)
    assert not narrow_attention.is_attend_supported(normal(1, tokens, 3 * 2 * width).float(), 2)
    assert narrow_attention.is_attend_supported(normal(1, 16, 3 * 2 * 8).float(), 2)


@pytest.mark.parametrize(("qkv", "heads"), [((1, 2048, 12), 1), ((2, 2, 16, 12), 1), ((1, 16, 14), 2)])
def test_attend_supports_three_dimensions_divisible_channels_and_at_most_1024_tokens(qkv, heads):
    assert not attention.is_attend_supported(normal(*qkv).float(), heads)
    assert not attention.is_attend_supported(normal(1, 16, 12), 2)
    assert attention.is_attend_supported(normal(1, 16, 12).float(), 2)


def test_attend_takes_the_fast_path():
    qkv, choices = normal(2, 16, 24).float(), Choices()
    with FastPath(choices):
        out = attend(qkv, 2)
        with torch.autocast("cpu", torch.bfloat16):
            assert attend(qkv, 2).dtype == torch.bfloat16
    assert list(choices.used) == [f"attention [16, 24] 2 {dtype} forward" for dtype in ("float32", "bfloat16")]
    q, k, v = qkv.view(2, 16, 3, 2, 4).unbind(2)
    expected = F.scaled_dot_product_attention(*(tensor.transpose(1, 2) for tensor in (q, k, v)))
    torch.testing.assert_close(out, expected.transpose(1, 2).reshape(2, 16, 8))
