"""Compiled kernels compute what torch does, are built once, and are done without where they cannot be."""

import os
import subprocess
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from workbench.diffusion import group_norm_silu
from workbench.diffusion.normalization import composed
from workbench.engine import assemble, train
from workbench.engine.fast import Choices, FastPath, Kernels, kernels, narrow_attention, norm_silu
from workbench.engine.fast.kernels import can_build
from workbench.recipe import load as load_recipe

needs_compiler = pytest.mark.skipif(not can_build(), reason="there is no C++ compiler here")
BUILT = [
    pytest.param("float32", marks=needs_compiler),
    pytest.param("bfloat16", marks=[needs_compiler, pytest.mark.long]),
]


@pytest.fixture(scope="session")
def folder():
    # Of all processes of the test run: what one of them has built serves the others.
    return Path(os.environ["WB_CACHE"]) / "tested_kernels"


def built(folder, family):
    found = Kernels(folder, builds=True).get(family)
    assert found is not None, "".join(file.read_text() for file in folder.glob("*.failed"))
    return found


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def images(*shape, seed=0):
    # Far from mean 0, where sums of squares lose digits.
    return (2.0 * normal(*shape, seed=seed) + 3.0).contiguous(memory_format=torch.channels_last)


def outcome(function, tensors, gradient, dtypes):
    """Value and gradients, in float64."""
    leaves = [each.clone().to(dtype).requires_grad_() for each, dtype in zip(tensors, dtypes, strict=True)]
    out = function(*leaves)
    out.backward(gradient.to(out.dtype))
    return [each.double() for each in (out.detach(), *(leaf.grad for leaf in leaves))]


def errors(found, truth):
    return [float((a - b).norm() / b.norm()) for a, b in zip(found, truth, strict=True)]


@pytest.mark.parametrize("dtype", BUILT)
def test_norm_and_silu_and_their_gradients_are_those_of_float64(folder, dtype):
    dtype = getattr(torch, dtype)
    ours = partial(norm_silu.norm_silu, built(folder, norm_silu.family(dtype)))
    parameters = torch.float32
    for batch, channels, groups, side in [(3, 24, 6, 8), (1, 8, 1, 1), (2, 48, 12, 5), (2, 192, 32, 16)]:
        x, per_channel = images(batch, channels, side, side), [normal(channels, seed=seed) for seed in (1, 2)]
        per_image = [normal(batch, channels, seed=seed) for seed in (3, 4, 5)]
        gradient = normal(batch, channels, side, side, seed=6)
        for told in ([], per_image[:1], [None, *per_image[1:]], per_image):
            given = [each for each in told if each is not None]
            at = [position for position, each in enumerate(told) if each is not None]

            def called(function, x, weight, bias, *some, at=at, groups=groups):
                more = dict(zip(at, some, strict=True))
                return function(x, groups, weight, bias, 1e-5, *(more.get(position) for position in range(3)))

            tensors = [x, *per_channel, *given]
            truth = outcome(partial(called, group_norm_silu), tensors, gradient, [torch.float64] * len(tensors))
            found = outcome(partial(called, ours), tensors, gradient, [dtype, *[parameters] * (len(tensors) - 1)])
            assert max(errors(found, truth)) < (1e-5 if dtype == torch.float32 else 1e-2)


@needs_compiler
def test_an_image_is_bit_equal_whatever_the_batch(folder):
    found = built(folder, norm_silu.family(torch.float32))
    x, weight, bias, added = images(7, 24, 8, 8).float(), torch.ones(24), torch.zeros(24), normal(7, 24).float()
    whole = norm_silu.norm_silu(found, x, 6, weight, bias, 1e-5, added)
    for at in (slice(0, 1), slice(2, 5), slice(6, 7)):
        assert torch.equal(norm_silu.norm_silu(found, x[at], 6, weight, bias, 1e-5, added[at]), whole[at])


@needs_compiler
@pytest.mark.long
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("batch", "heads", "tokens", "spread"), [(2, 4, 256, 1.0), (1, 1, 16, 1.0), (3, 2, 48, 8.0), (2, 2, 112, 30.0)]
)
def test_attention_of_narrow_heads_and_its_gradients_are_those_of_float64(folder, batch, heads, tokens, spread, dtype):
    ours = partial(narrow_attention.narrow_attention, built(folder, narrow_attention.family(8)))
    tensors = [spread**0.5 * normal(batch, heads, tokens, 8, seed=seed) for seed in range(3)]
    gradient = normal(batch, heads, tokens, 8, seed=3)
    truth = outcome(F.scaled_dot_product_attention, tensors, gradient, [torch.float64] * 3)
    found = errors(outcome(ours, tensors, gradient, [dtype] * 3), truth)
    torchs = errors(outcome(F.scaled_dot_product_attention, tensors, gradient, [dtype] * 3), truth)
    assert max(found) < 5e-5 if dtype == torch.float32 else all(a < 2.0 * b for a, b in zip(found, torchs, strict=True))


@pytest.mark.parametrize(("tokens", "width"), [(10, 8), (16, 9)])
def test_what_narrow_attention_does_not_compute(tokens, width):
    q = normal(1, 2, tokens, width).float()
    assert not narrow_attention.suits(q, q, q)
    assert narrow_attention.suits(*[normal(1, 2, 16, 8).float()] * 3)


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
    x, weight, bias = images(2, 8, 4, 4).float(), torch.ones(8), torch.zeros(8)
    choices = Choices()
    with FastPath(choices):
        out = group_norm_silu(x, 2, weight, bias)
    assert list(choices.used) == ["group norm and SiLU [8, 4, 4] 2 float32 forward"]
    torch.testing.assert_close(out, composed(F.group_norm, x, 2, weight, bias))


@needs_compiler
def test_kernels_that_are_there_are_not_built_again(folder, monkeypatch):
    built(folder, "norm_silu_float32")
    monkeypatch.setattr(subprocess, "run", None)
    assert set(Kernels(folder, builds=True).get("norm_silu_float32")) == {"forward", "sums", "backward"}


@needs_compiler
def test_what_is_not_a_number_stays_none(folder):
    # A loss that is not finite ends a run: no kernel may hide what leads to it.
    x = images(2, 8, 4, 4).float()
    x[0, 0, 0, 0] = torch.nan
    out = norm_silu.norm_silu(built(folder, "norm_silu_float32"), x, 2, torch.ones(8), torch.zeros(8))
    assert out[0, :4].isnan().all()
    assert out[0, 4:].isfinite().all()
    assert out[1].isfinite().all()


@pytest.mark.parametrize("told", [(1, 8), (2, 8, 1, 1), (2, 4)])
def test_what_is_not_told_per_image_and_channel_is_left_to_torch(told):
    x, weight = images(2, 8, 4, 4).float(), torch.ones(8)
    assert norm_silu.suits(x, 2, weight, weight, 1e-5, torch.ones(2, 8))
    assert not norm_silu.suits(x, 2, weight, weight, 1e-5, torch.ones(told))


def test_compiling_is_no_training_time(tmp_path, monkeypatch, repository):
    overrides = [
        "dataset.image_size=16",
        "denoiser={use='unet', channels=8, multipliers=[1], blocks=1, attention=[]}",
        "train={steps=1, batch_size=2, precision='fp32', validate_every=0, log_every=1}",
        "evaluate={samples=2, grid=2, real=2, neighbours=0, at_start=false, features=[], sampler={use='ddim', steps=1}}",
    ]
    recipe = load_recipe(repository / "recipes" / "cars_linear.toml", overrides)
    parts = assemble(recipe, torch.device("cpu"), tmp_path / "cache")
    slow = Kernels(tmp_path / "kernels", builds=True)
    parts = replace(parts, compute=replace(parts.compute, kernels=slow))
    monkeypatch.setattr(kernels, "can_build", lambda: True)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: time.sleep(3.0))
    first = next(train(parts, tmp_path))
    assert slow.seconds > 3.0
    assert 60.0 * first.metrics["train/minutes"] < 3.0


def test_kernels_are_asked_for_once_and_only_by_those_who_may(tmp_path, monkeypatch):
    asked, told = [], []

    def compiler(command, **_):
        asked.append(command[-2:])

    monkeypatch.setattr(kernels, "can_build", lambda: True)
    monkeypatch.setattr(subprocess, "run", compiler)
    assert Kernels(None, builds=True).get("norm_silu_float32") is None
    assert Kernels(tmp_path).get("norm_silu_float32") is None
    assert asked == []
    some = Kernels(tmp_path, builds=True, progress=lambda *each: told.append(each))
    assert some.get("norm_silu_float32") is some.get("norm_silu_float32") is None
    assert [command[0] for command in asked] == ["norm_silu_float32"]
    assert told == [(kernels.TOLD, 0, 1), (kernels.TOLD, 1, 1)]


def test_a_compiler_that_fails_is_asked_once_and_its_words_are_kept(tmp_path, monkeypatch):
    asked = []

    def compiler(command, **_):
        asked.append(command)
        raise subprocess.CalledProcessError(1, command, stderr=b"omp.h: No such file or directory")

    monkeypatch.setattr(kernels, "can_build", lambda: True)
    monkeypatch.setattr(subprocess, "run", compiler)
    assert all(Kernels(tmp_path, builds=True).get("norm_silu_float32") is None for _ in range(2))
    assert len(asked) == 1
    (failed,) = tmp_path.glob("*.failed")
    assert "omp.h: No such file" in failed.read_text()


def test_without_a_compiler_a_network_computes_without_kernels(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    x, weight, bias = images(2, 8, 4, 4).float(), torch.ones(8), torch.zeros(8)
    with FastPath(Choices(), Kernels(tmp_path, builds=True)):
        out = group_norm_silu(x, 2, weight, bias)
    torch.testing.assert_close(out, group_norm_silu(x, 2, weight, bias))
    assert list(tmp_path.iterdir()) == []


@needs_compiler
def test_damaged_and_strangers_kernels_are_not_run(folder, tmp_path, monkeypatch):
    built(folder, "norm_silu_float32")
    (at,) = folder.glob("norm_silu_float32-*")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(os, "getuid", lambda: at.stat().st_uid + 1)
        assert Kernels(folder).get("norm_silu_float32") is None
    copy = tmp_path / at.name
    copy.mkdir()
    for file in at.iterdir():
        (copy / file.name).write_bytes(file.read_bytes()[:1000])
    assert Kernels(copy.parent).get("norm_silu_float32") is None


def test_a_run_that_goes_on_without_a_kernel_it_had_computes_as_torch_does():
    choices = Choices()
    choices.retake({"used": {"group norm and SiLU [8, 4, 4] 2 float32 forward": "compiled"}})
    x, weight, bias = images(2, 8, 4, 4).float(), torch.ones(8), torch.zeros(8)
    with FastPath(choices):
        out = group_norm_silu(x, 2, weight, bias)
    assert torch.equal(out, group_norm_silu(x, 2, weight, bias))
