"""Norms with and without SiLU, as kernels and as the formula, compute what float64 does."""

from functools import partial

import pytest
import torch
from torch.nn import functional as F

from tests.compute.fast_cases import built, errors, images, needs_compiler, normal, outcome, written
from workbench.compute.fast import norm_silu
from workbench.compute.fast.choices import Choices
from workbench.compute.fast.mode import FastPath
from workbench.diffusion import fork_group_norm_silu, group_norm_silu
from workbench.diffusion.normalization import reference_group_norm_silu


def assert_norms_are_those_of_float64(function, truth, dtype):
    for batch, channels, groups, side in [(3, 24, 6, 8), (1, 8, 1, 1), (2, 48, 12, 5), (2, 192, 32, 16)]:
        x, per_channel = images(batch, channels, side, side), [normal(channels, seed=seed) for seed in (1, 2)]
        per_image = [normal(batch, channels, seed=seed) for seed in (3, 4, 5)]
        gradient = normal(batch, channels, side, side, seed=6)
        for told in ([], per_image[:1], [None, *per_image[1:]], per_image):
            given = [each for each in told if each is not None]
            at = [position for position, each in enumerate(told) if each is not None]

            def called(norm, x, weight, bias, *some, at=at, groups=groups):
                more = dict(zip(at, some, strict=True))
                return norm(x, groups, weight, bias, 1e-5, *(more.get(position) for position in range(3)))

            tensors = [x, *per_channel, *given]
            expected = outcome(partial(called, truth), tensors, gradient, [torch.float64] * len(tensors))
            found = outcome(partial(called, function), tensors, gradient, [dtype, *[torch.float32] * (len(tensors) - 1)])
            assert max(errors(found, expected)) < (1e-5 if dtype == torch.float32 else 1e-2)


def norm_without_silu(x, groups, weight, bias, eps, added, scale, shift):
    normal = F.group_norm(x if added is None else x + added[:, :, None, None], groups, weight, bias, eps)
    return normal if scale is None else normal * (1.0 + scale[:, :, None, None]) + shift[:, :, None, None]


TRUTHS = {True: group_norm_silu, False: norm_without_silu}


@pytest.mark.parametrize("silu", TRUTHS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_norm_with_and_without_silu_and_its_gradients_are_those_of_float64(dtype, silu):
    ours = partial(norm_silu.norm_silu, written(norm_silu.blueprints(dtype, silu=silu)))
    assert_norms_are_those_of_float64(ours, TRUTHS[silu], dtype)


@pytest.mark.long
@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("silu", [True, False])
def test_compiled_norms_and_their_gradients_are_those_of_float64(kernels_folder, dtype, silu):
    ours = partial(norm_silu.norm_silu, built(kernels_folder, norm_silu.family(dtype, silu=silu)))
    assert_norms_are_those_of_float64(ours, TRUTHS[silu], dtype)


@pytest.mark.parametrize("used", [(2.0, 0.5), (2.0, 0.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "compiled", [False, pytest.param(True, marks=[needs_compiler, pytest.mark.long])], ids=["written", "compiled"]
)
def test_gradients_of_a_norm_and_of_the_branch_beside_it_come_together(kernels_folder, dtype, used, compiled):
    found = built(kernels_folder, norm_silu.family(dtype)) if compiled else written(norm_silu.blueprints(dtype))
    tensors = [images(2, 24, 8, 8), normal(24, seed=1), normal(24, seed=2)]
    gradient = normal(2, 24, 8, 8, seed=3)

    def summed(fork, x, weight, bias):
        branch, beside = fork(x, 6, weight, bias)
        assert torch.equal(beside, x)
        return used[0] * branch + used[1] * beside if used[1] else used[0] * branch

    dtypes = [dtype, torch.float32, torch.float32]
    truth = outcome(partial(summed, fork_group_norm_silu), tensors, gradient, [torch.float64] * 3)
    ours = outcome(partial(summed, partial(norm_silu.fork_norm_silu, found)), tensors, gradient, dtypes)
    assert max(errors(ours, truth)) < (1e-5 if dtype == torch.float32 else 1e-2)


@pytest.mark.long
@needs_compiler
def test_an_image_is_bit_equal_whatever_the_batch(kernels_folder):
    found = built(kernels_folder, norm_silu.family(torch.float32))
    x, weight, bias, added = images(7, 24, 8, 8).float(), torch.ones(24), torch.zeros(24), normal(7, 24).float()
    whole = norm_silu.norm_silu(found, x, 6, weight, bias, 1e-5, added)
    for at in (slice(0, 1), slice(2, 5), slice(6, 7)):
        assert torch.equal(norm_silu.norm_silu(found, x[at], 6, weight, bias, 1e-5, added[at]), whole[at])


@pytest.mark.parametrize("told", [(False, False, False), (True, False, False), (False, True, True), (True, True, True)])
def test_norm_and_silu_in_steps_are_the_formula(told):
    x, weight, bias = images(2, 8, 4, 4), normal(8, seed=1), normal(8, seed=2)
    added, scale, shift = (normal(2, 8, seed=3 + at) if given else None for at, given in enumerate(told))
    moved = x if added is None else x + added[:, :, None, None]
    grouped = moved.reshape(2, 2, -1)
    standard = (grouped - grouped.mean(2, keepdim=True)) / (grouped.var(2, correction=0, keepdim=True) + 1e-5).sqrt()
    expected = standard.reshape(x.shape) * weight[:, None, None] + bias[:, None, None]
    if scale is not None:
        expected = expected * (1.0 + scale[:, :, None, None]) + shift[:, :, None, None]
    torch.testing.assert_close(group_norm_silu(x, 2, weight, bias, 1e-5, added, scale, shift), expected * expected.sigmoid())


def test_norm_and_silu_take_the_fast_path_by_their_name():
    x, weight, bias = images(2, 8, 4, 4).float().requires_grad_(), torch.ones(8), torch.zeros(8)
    choices = Choices()
    with FastPath(choices):
        out = group_norm_silu(x, 2, weight, bias)
        branch, beside = fork_group_norm_silu(x, 2, weight, bias)
    shape = "[8, 4, 4] 2 float32 forward and backward"
    assert list(choices.used) == [f"group norm and SiLU {shape}", f"group norm and SiLU, forked {shape}"]
    for each in (out, branch):
        torch.testing.assert_close(each, reference_group_norm_silu(F.group_norm, x, 2, weight, bias))
    assert beside is x


@pytest.mark.long
@needs_compiler
def test_what_is_not_a_number_stays_none(kernels_folder):
    # A loss that is not finite ends a run: no kernel may hide what leads to it.
    x = images(2, 8, 4, 4).float()
    x[0, 0, 0, 0] = torch.nan
    out = norm_silu.norm_silu(built(kernels_folder, "norm_silu_float32"), x, 2, torch.ones(8), torch.zeros(8))
    assert out[0, :4].isnan().all()
    assert out[0, 4:].isfinite().all()
    assert out[1].isfinite().all()


@pytest.mark.parametrize("told", [(1, 8), (2, 8, 1, 1), (2, 4)])
def test_what_is_not_told_per_image_and_channel_is_left_to_torch(told):
    x, weight = images(2, 8, 4, 4).float(), torch.ones(8)
    assert norm_silu.is_supported(x, 2, weight, weight, 1e-5, torch.ones(2, 8))
    assert not norm_silu.is_supported(x, 2, weight, weight, 1e-5, torch.ones(told))
