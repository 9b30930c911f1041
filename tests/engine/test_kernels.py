"""Compiled kernels compute what torch does, are built once, and are done without where they cannot be."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from workbench.diffusion import attend, fork_group_norm_silu, group_norm_silu
from workbench.diffusion.normalization import composed
from workbench.engine import Stop, assemble, train
from workbench.engine.evaluate import evaluate
from workbench.engine.fast import Choices, FastPath, Kernels, attention, kernels, narrow_attention, norm_silu
from workbench.engine.fast.exponential import SMALLEST, SQUARES, exponential, sigmoid
from workbench.engine.fast.kernels import can_build
from workbench.recipe import load as load_recipe

needs_compiler = pytest.mark.skipif(not can_build(), reason="there is no C++ compiler here")
BUILT = [
    pytest.param(dtype, silu, marks=[needs_compiler, *([] if first else [pytest.mark.long])])
    for first, dtype, silu in [
        (True, torch.float32, True),
        (False, torch.float32, False),
        (False, torch.bfloat16, True),
        (False, torch.bfloat16, False),
    ]
]


@pytest.fixture(scope="session")
def folder():
    # Of all processes of the test run: what one of them has built serves the others.
    return Path(os.environ["WB_CACHE"]) / "tested_kernels"


def built(folder, family):
    found = Kernels(folder, builds=True).get(family)
    assert found is not None, "".join(file.read_text() for file in folder.glob("*.failed"))
    return found


def written(blueprints):
    """Kernels as they are written down, computed by torch one operation after another: the mathematics without a compiler."""
    return {name: blueprint.function for name, blueprint in blueprints.items()}


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


@pytest.mark.parametrize(("dtype", "silu"), BUILT)
def test_compiled_norms_and_their_gradients_are_those_of_float64(folder, dtype, silu):
    ours = partial(norm_silu.norm_silu, built(folder, norm_silu.family(dtype, silu=silu)))
    assert_norms_are_those_of_float64(ours, TRUTHS[silu], dtype)


@pytest.mark.parametrize("used", [(2.0, 0.5), (2.0, 0.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "compiled", [False, pytest.param(True, marks=[needs_compiler, pytest.mark.long])], ids=["written", "compiled"]
)
def test_gradients_of_a_norm_and_of_the_branch_beside_it_come_together(folder, dtype, used, compiled):
    found = built(folder, norm_silu.family(dtype)) if compiled else written(norm_silu.blueprints(dtype))
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


def test_exponentials_are_those_of_float64():
    x = torch.linspace(-12.0, 12.0, 10_001)
    found = exponential(x / 2**SQUARES - SMALLEST)
    off = (found.double() / x.double().exp() - 1.0).abs()
    assert off.max() < 2e-4
    assert off[x.abs() < 6.0].max() < 2e-5
    far = sigmoid(torch.tensor([-torch.inf, -1e4, -90.0, 0.0, 90.0, 1e4, torch.inf]))
    torch.testing.assert_close(far, torch.tensor([0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0]), rtol=1e-5, atol=1e-30)
    assert sigmoid(torch.tensor(torch.nan)).isnan()


@needs_compiler
def test_an_image_is_bit_equal_whatever_the_batch(folder):
    found = built(folder, norm_silu.family(torch.float32))
    x, weight, bias, added = images(7, 24, 8, 8).float(), torch.ones(24), torch.zeros(24), normal(7, 24).float()
    whole = norm_silu.norm_silu(found, x, 6, weight, bias, 1e-5, added)
    for at in (slice(0, 1), slice(2, 5), slice(6, 7)):
        assert torch.equal(norm_silu.norm_silu(found, x[at], 6, weight, bias, 1e-5, added[at]), whole[at])


NARROW = [
    pytest.param(False, id="written"),
    pytest.param(True, id="compiled", marks=[needs_compiler, pytest.mark.long]),
]


@pytest.fixture
def narrow(request, folder):
    return built(folder, narrow_attention.family(8)) if request.param else written(narrow_attention.blueprints(8))


def scores_and_values(batch, heads, tokens, spread):
    return [spread**0.5 * normal(batch, heads, tokens, 8, seed=seed) for seed in range(3)]


@pytest.mark.parametrize("narrow", NARROW, indirect=True)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
# Scores of up to 2, where no highest one is taken off, and of up to 500.
@pytest.mark.parametrize(
    ("batch", "heads", "tokens", "spread"),
    [(2, 4, 256, 0.3), (2, 4, 256, 1.0), (1, 1, 16, 1.0), (3, 2, 48, 8.0), (2, 2, 112, 30.0)],
)
def test_attention_of_narrow_heads_and_its_gradients_are_those_of_float64(narrow, batch, heads, tokens, spread, dtype):
    ours, tensors = partial(narrow_attention.narrow_attention, narrow), scores_and_values(batch, heads, tokens, spread)
    gradient = normal(batch, heads, tokens, 8, seed=3)
    truth = outcome(F.scaled_dot_product_attention, tensors, gradient, [torch.float64] * 3)
    found = errors(outcome(ours, tensors, gradient, [dtype] * 3), truth)
    torchs = errors(outcome(F.scaled_dot_product_attention, tensors, gradient, [dtype] * 3), truth)
    assert max(found) < 2e-5 if dtype == torch.float32 else all(a < 2.0 * b for a, b in zip(found, torchs, strict=True))


@pytest.mark.parametrize("narrow", NARROW, indirect=True)
@pytest.mark.parametrize("spread", [0.3, 8.0])
def test_attention_of_all_that_lies_side_by_side_is_that_of_float64(narrow, spread):
    qkv, gradient = spread**0.5 * normal(3, 48, 3 * 16), normal(3, 48, 16, seed=1)
    truth = outcome(lambda each: attend(each, 2), [qkv], gradient, [torch.float64])
    found = outcome(lambda each: narrow_attention.narrow_attend(narrow, each, 2), [qkv], gradient, [torch.float32])
    assert max(errors(found, truth)) < 2e-5


@pytest.mark.parametrize("narrow", NARROW, indirect=True)
@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("spread", [0.3, 8.0])
def test_what_is_not_a_number_stays_none_in_attention(narrow, at, spread):
    tensors = [each.float() for each in scores_and_values(2, 2, 48, spread)]
    tensors[at][0, 1, 5, 3] = torch.nan
    out = narrow_attention.narrow_attention(narrow, *tensors)
    expected = F.scaled_dot_product_attention(*tensors)
    assert torch.equal(out.isnan(), expected.isnan())
    assert expected.isnan().any()


def test_attention_of_an_image_is_bit_equal_whatever_the_batch():
    # One whose highest score is taken off, between two with small scores.
    qkv = torch.stack([normal(48, 48).float() * size for size in (0.5, 5.0, 0.5)])
    found = written(narrow_attention.blueprints(8))
    whole = narrow_attention.narrow_attend(found, qkv, 2)
    for at in range(3):
        assert torch.equal(narrow_attention.narrow_attend(found, qkv[at : at + 1], 2), whole[at : at + 1])


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_what_attention_cannot_compute_does_not_pass_for_numbers(bad):
    q = normal(1, 1, 16, 8).float()
    q[0, 0, 0, 0] = bad
    out = narrow_attention.narrow_attention(written(narrow_attention.blueprints(8)), q, q, q)
    assert out.isnan().any()


@pytest.mark.parametrize(("tokens", "width"), [(10, 8), (16, 9)])
def test_what_narrow_attention_does_not_compute(tokens, width):
    q = normal(1, 2, tokens, width).float()
    assert not narrow_attention.suits(q, q, q)
    assert narrow_attention.suits(*[normal(1, 2, 16, 8).float()] * 3)
    assert not narrow_attention.suits_attend(normal(1, tokens, 3 * 2 * width).float(), 2)
    assert narrow_attention.suits_attend(normal(1, 16, 3 * 2 * 8).float(), 2)


@pytest.mark.parametrize(("qkv", "heads"), [((1, 2048, 12), 1), ((2, 2, 16, 12), 1), ((1, 16, 14), 2)])
def test_what_attention_of_all_that_lies_side_by_side_does_not_compute(qkv, heads):
    assert not attention.suits_attend(normal(*qkv).float(), heads)
    assert not attention.suits_attend(normal(1, 16, 12), 2)
    assert attention.suits_attend(normal(1, 16, 12).float(), 2)


def test_attention_takes_the_fast_path_by_its_name():
    qkv, choices = normal(2, 16, 24).float(), Choices()
    with FastPath(choices):
        out = attend(qkv, 2)
        with torch.autocast("cpu", torch.bfloat16):
            assert attend(qkv, 2).dtype == torch.bfloat16
    assert list(choices.used) == [f"attention [16, 24] 2 {dtype} forward" for dtype in ("float32", "bfloat16")]
    q, k, v = qkv.view(2, 16, 3, 2, 4).unbind(2)
    expected = F.scaled_dot_product_attention(*(each.transpose(1, 2) for each in (q, k, v)))
    torch.testing.assert_close(out, expected.transpose(1, 2).reshape(2, 16, 8))


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
        torch.testing.assert_close(each, composed(F.group_norm, x, 2, weight, bias))
    assert beside is x


@needs_compiler
def test_kernels_that_are_there_are_not_built_again(folder, monkeypatch):
    built(folder, "norm_silu_float32")
    monkeypatch.setattr(subprocess, "run", None)
    assert set(Kernels(folder, builds=True).get("norm_silu_float32")) == {"forward", "sums", "backward", "backward_of_fork"}


@needs_compiler
@pytest.mark.skipif(sys.platform != "linux", reason="kernels are for Linux")
def test_a_compiling_process_that_is_killed_leaves_none_behind(tmp_path):
    command = [sys.executable, "-P", "-m", "workbench.engine.fast.building", "norm_float32", str(tmp_path / "built")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60.0
    # Its workers have its own command line; whatever else it starts has not.
    while not (workers := [pid for pid in children_of(process.pid) if "building" in command_of(pid)]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    while any(command_of(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children_of(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def command_of(pid):
    """Empty for a process that has ended, also where nobody has waited for it."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


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


def test_compiling_is_no_time_of_training_or_evaluation(tmp_path, monkeypatch, repository):
    overrides = [
        "dataset.image_size=16",
        "denoiser={use='unet', channels=8, multipliers=[1], blocks=1, attention=[]}",
        "train={steps=1, batch_size=2, precision='fp32', validate_every=0, log_every=1}",
        "evaluate={samples=2, grid=2, real=2, neighbours=0, at_start=false, features=[], sampler={use='ddim', steps=1}}",
    ]
    recipe = load_recipe(repository / "recipes" / "cars_linear.toml", overrides)
    parts = assemble(recipe, torch.device("cpu"), tmp_path / "cache")
    monkeypatch.setattr(kernels, "can_build", lambda: True)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: time.sleep(1.0))

    def measured(moments):
        slow = Kernels(tmp_path / "kernels", builds=True)
        found = [moment.metrics for moment in moments(replace(parts, compute=replace(parts.compute, kernels=slow)))]
        assert slow.seconds > 2.0
        return {name: value for metrics in found for name, value in metrics.items()}

    trained = measured(lambda parts: train(parts, tmp_path))
    assert 60.0 * trained["train/minutes"] < 2.0
    evaluated = measured(lambda parts: evaluate(parts, parts.network, 0, Stop()))
    assert evaluated["eval/sampling_seconds"] < evaluated["eval/seconds"] < 2.0


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
