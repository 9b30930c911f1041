"""Norms with and without SiLU, compiled and uncompiled, equal those in float64."""

from functools import partial

import pytest
import torch
from torch.nn import functional as F

from tests.compute.fast_cases import (
    build_kernels,
    images,
    needs_compiler,
    normal,
    relative_errors,
    uncompiled,
    value_and_gradients,
)
from workbench.compute.fast import norm_silu
from workbench.compute.fast.choices import Choices
from workbench.compute.fast.mode import FastPath
from workbench.diffusion import fork_group_norm_silu, group_norm_silu
from workbench.diffusion.normalization import reference_group_norm_silu


def assert_norms_equal_those_of_float64(function, truth, dtype):
    for batch, channels, groups, side in [(3, 24, 6, 8), (1, 8, 1, 1), (2, 48, 12, 5), (2, 192, 32, 16)]:
        x, per_channel = images(batch, channels, side, side), [normal(channels, seed=seed) for seed in (1, 2)]
        per_image = [normal(batch, channels, seed=seed) for seed in (3, 4, 5)]
        gradient = normal(batch, channels, side, side, seed=6)
        for optional in ([], per_image[:1], [None, *per_image[1:]], per_image):
            given = [tensor for tensor in optional if tensor is not None]
            positions = [position for position, tensor in enumerate(optional) if tensor is not None]

            def call(norm, x, weight, bias, *given, positions=positions, groups=groups):
                by_position = dict(zip(positions, given, strict=True))
                return norm(x, groups, weight, bias, 1e-5, *(by_position.get(position) for position in range(3)))

            tensors = [x, *per_channel, *given]
            expected = value_and_gradients(partial(call, truth), tensors, gradient, [torch.float64] * len(tensors))
            results = value_and_gradients(
                partial(call, function), tensors, gradient, [dtype, *[torch.float32] * (len(tensors) - 1)]
            )
            assert max(relative_errors(results, expected)) < (1e-5 if dtype == torch.float32 else 1e-2)


def norm_without_silu(x, groups, weight, bias, eps, added, scale, shift):
    normal = F.group_norm(x if added is None else x + added[:, :, None, None], groups, weight, bias, eps)
    return normal if scale is None else normal * (1.0 + scale[:, :, None, None]) + shift[:, :, None, None]


TRUTHS = {True: group_norm_silu, False: norm_without_silu}


@pytest.mark.parametrize("silu", TRUTHS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_norms_with_and_without_silu_and_their_gradients_equal_those_of_float64(dtype, silu):
    ours = partial(norm_silu.norm_silu, uncompiled(norm_silu.blueprints(dtype, silu=silu)))
    assert_norms_equal_those_of_float64(ours, TRUTHS[silu], dtype)


@pytest.mark.long
@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("silu", [True, False])
def test_compiled_norms_and_their_gradients_equal_those_of_float64(kernels_folder, dtype, silu):
    ours = partial(norm_silu.norm_silu, build_kernels(kernels_folder, norm_silu.family(dtype, silu=silu)))
    assert_norms_equal_those_of_float64(ours, TRUTHS[silu], dtype)


@pytest.mark.parametrize("factors", [(2.0, 0.5), (2.0, 0.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "compiled", [False, pytest.param(True, marks=[needs_compiler, pytest.mark.long])], ids=["uncompiled", "compiled"]
)
def test_the_gradients_of_a_norm_and_of_its_residual_branch_are_added(kernels_folder, dtype, factors, compiled):
    kernels = build_kernels(kernels_folder, norm_silu.family(dtype)) if compiled else uncompiled(norm_silu.blueprints(dtype))
    tensors = [images(2, 24, 8, 8), normal(24, seed=1), normal(24, seed=2)]
    gradient = normal(2, 24, 8, 8, seed=3)

    def weighted_sum(fork, x, weight, bias):
        norm, residual = fork(x, 6, weight, bias)
        assert torch.equal(residual, x)
        return factors[0] * norm + factors[1] * residual if factors[1] else factors[0] * norm

    dtypes = [dtype, torch.float32, torch.float32]
    truth = value_and_gradients(partial(weighted_sum, fork_group_norm_silu), tensors, gradient, [torch.float64] * 3)
    ours = value_and_gradients(partial(weighted_sum, partial(norm_silu.fork_norm_silu, kernels)), tensors, gradient, dtypes)
    assert max(relative_errors(ours, truth)) < (1e-5 if dtype == torch.float32 else 1e-2)


@pytest.mark.long
@needs_compiler
def test_a_norm_of_an_image_is_bit_equal_in_every_batch(kernels_folder):
    kernels = build_kernels(kernels_folder, norm_silu.family(torch.float32))
    x, weight, bias, added = images(7, 24, 8, 8).float(), torch.ones(24), torch.zeros(24), normal(7, 24).float()
    whole = norm_silu.norm_silu(kernels, x, 6, weight, bias, 1e-5, added)
    for at in (slice(0, 1), slice(2, 5), slice(6, 7)):
        assert torch.equal(norm_silu.norm_silu(kernels, x[at], 6, weight, bias, 1e-5, added[at]), whole[at])


@pytest.mark.parametrize("given", [(False, False, False), (True, False, False), (False, True, True), (True, True, True)])
def test_norm_and_silu_equal_the_formula(given):
    x, weight, bias = images(2, 8, 4, 4), normal(8, seed=1), normal(8, seed=2)
    added, scale, shift = (normal(2, 8, seed=3 + at) if is_given else None for at, is_given in enumerate(given))
    total = x if added is None else x + added[:, :, None, None]
    grouped = total.reshape(2, 2, -1)
    standard = (grouped - grouped.mean(2, keepdim=True)) / (grouped.var(2, correction=0, keepdim=True) + 1e-5).sqrt()
    expected = standard.reshape(x.shape) * weight[:, None, None] + bias[:, None, None]
    if scale is not None:
        expected = expected * (1.0 + scale[:, :, None, None]) + shift[:, :, None, None]
    torch.testing.assert_close(group_norm_silu(x, 2, weight, bias, 1e-5, added, scale, shift), expected * expected.sigmoid())


def test_norm_and_silu_take_the_fast_path():
    x, weight, bias = images(2, 8, 4, 4).float().requires_grad_(), torch.ones(8), torch.zeros(8)
    choices = Choices()
    with FastPath(choices):
        out = group_norm_silu(x, 2, weight, bias)
        norm, residual = fork_group_norm_silu(x, 2, weight, bias)
    shape = "[8, 4, 4] 2 float32 forward and backward"
    assert list(choices.used) == [f"group norm and SiLU {shape}", f"group norm and SiLU, forked {shape}"]
    for result in (out, norm):
        torch.testing.assert_close(result, reference_group_norm_silu(F.group_norm, x, 2, weight, bias))
    assert residual is x


@pytest.mark.long
@needs_compiler
def test_nan_remains_nan_in_a_norm(kernels_folder):
    # A loss that is not finite ends a run, so no kernel may hide its cause.
    x = images(2, 8, 4, 4).float()
    x[0, 0, 0, 0] = torch.nan
    out = norm_silu.norm_silu(build_kernels(kernels_folder, "norm_silu_float32"), x, 2, torch.ones(8), torch.zeros(8))
    assert out[0, :4].isnan().all()
    assert out[0, 4:].isfinite().all()
    assert out[1].isfinite().all()


@pytest.mark.parametrize("shape", [(1, 8), (2, 8, 1, 1), (2, 4)])
def test_tensors_that_are_not_per_image_and_channel_are_not_supported(shape):
    x, weight = images(2, 8, 4, 4).float(), torch.ones(8)
    assert norm_silu.is_supported(x, 2, weight, weight, 1e-5, torch.ones(2, 8))
    assert not norm_silu.is_supported(x, 2, weight, weight, 1e-5, torch.ones(shape))
