"""The fast path computes what torch computes, and is used where it was measured to be faster."""

import json
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from tests.compute.fast_cases import images, normal, relative_errors, value_and_gradients
from workbench.compute.compiling import compile_blocks
from workbench.compute.computation import Compute, choose_compute
from workbench.compute.fast.attention import attention
from workbench.compute.fast.choices import Choices
from workbench.compute.fast.group_norm import group_norm, group_norm_with_torch_forward
from workbench.compute.fast.kernels import Kernels, can_build
from workbench.compute.fast.mode import FastPath
from workbench.interfaces import SampleSpec
from workbench.model.build import assemble
from workbench.recipe import Train, load as load_recipe, slot_of
from workbench.registry import load
from workbench.sampling.generator import Generator
from workbench.training.checkpoint import latest_checkpoint, load_average
from workbench.training.loop import train

DTYPES = [torch.float32, torch.bfloat16]
SPEC = SampleSpec(3, 16, 16)


class Always(Choices):
    """Always chooses the fast path where it is supported, and compiled kernels where there are any."""

    def fastest(self, name, implementations, args, kwargs):
        self.used[name] = "compiled" if "compiled" in implementations else "fast"
        return implementations[self.used[name]]


def normalise(function, groups, dtype):
    # As in training, weight and bias are float32 for bfloat16 images too.
    parameters = torch.float32 if dtype == torch.bfloat16 else dtype
    return lambda x, weight, bias: function(x, groups, weight.to(parameters), bias.to(parameters), 1e-5)


@pytest.mark.parametrize("ours", [group_norm, group_norm_with_torch_forward])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("channels", "groups", "side"), [(24, 6, 8), (32, 32, 5), (64, 1, 16), (256, 32, 64)])
def test_group_norm_and_its_gradients_equal_those_of_float64(channels, groups, side, dtype, ours):
    tensors = [images(3, channels, side, side), normal(channels, seed=1), normal(channels, seed=2)]
    gradient = normal(3, channels, side, side, seed=3)
    truth = value_and_gradients(normalise(F.group_norm, groups, torch.float64), tensors, gradient, [torch.float64] * 3)
    our_errors = relative_errors(value_and_gradients(normalise(ours, groups, dtype), tensors, gradient, [dtype] * 3), truth)
    torch_errors = relative_errors(
        value_and_gradients(normalise(F.group_norm, groups, dtype), tensors, gradient, [dtype] * 3), truth
    )
    assert max(our_errors) < (2e-6 if dtype == torch.float32 else 1e-2)
    assert all(mine < 2.0 * theirs + 1e-7 for mine, theirs in zip(our_errors, torch_errors, strict=True))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("heads", "tokens", "width"), [(1, 64, 48), (8, 256, 8), (3, 10, 20)])
def test_attention_and_its_gradients_equal_those_of_float64(heads, tokens, width, dtype):
    tensors = [normal(2, heads, tokens, width, seed=seed) for seed in range(3)]
    gradient = normal(2, heads, tokens, width, seed=3)
    truth = value_and_gradients(F.scaled_dot_product_attention, tensors, gradient, [torch.float64] * 3)
    our_errors = relative_errors(value_and_gradients(attention, tensors, gradient, [dtype] * 3), truth)
    torch_errors = relative_errors(value_and_gradients(F.scaled_dot_product_attention, tensors, gradient, [dtype] * 3), truth)
    assert max(our_errors) < (1e-6 if dtype == torch.float32 else 2e-2)
    assert all(mine < 2.0 * theirs + 1e-7 for mine, theirs in zip(our_errors, torch_errors, strict=True))


def test_attention_supports_a_scale():
    q, k, v = (normal(1, 2, 6, 4, seed=seed).float() for seed in range(3))
    torch.testing.assert_close(attention(q, k, v, scale=0.3), F.scaled_dot_product_attention(q, k, v, scale=0.3))


@pytest.mark.parametrize("dtype", DTYPES)
def test_results_for_an_image_are_bit_equal_in_every_batch(dtype):
    x = images(7, 24, 8, 8).to(dtype)
    q, k, v = (normal(7, 2, 64, 12, seed=seed).to(dtype) for seed in range(3))
    weight, bias = torch.ones(24), torch.zeros(24)
    norms, attended = group_norm(x, 6, weight, bias), attention(q, k, v)
    for at in (slice(0, 1), slice(2, 5), slice(6, 7)):
        assert torch.equal(group_norm(x[at], 6, weight, bias), norms[at])
        assert torch.equal(attention(q[at], k[at], v[at]), attended[at])


def test_a_following_operation_may_change_a_norm_in_place():
    x = images(2, 8, 4, 4).float().requires_grad_()
    F.silu(group_norm(x, 2, torch.ones(8), torch.zeros(8)), inplace=True).sum().backward()
    theirs = x.detach().clone().requires_grad_()
    F.silu(F.group_norm(theirs, 2, torch.ones(8), torch.zeros(8))).sum().backward()
    torch.testing.assert_close(x.grad, theirs.grad)


def test_the_fast_path_works_in_third_party_networks():
    class ThirdParty(torch.nn.Module):
        def forward(self, x):
            h = F.group_norm(x, 2, torch.ones(8, requires_grad=True), torch.zeros(8))
            tokens = h.flatten(2).mT[:, None]
            return F.scaled_dot_product_attention(tokens, tokens, tokens, dropout_p=0.0)

    with FastPath(Always()):
        out = ThirdParty()(images(2, 8, 4, 4).float())
    assert out.grad_fn.name() == "_AttentionBackward"


@pytest.mark.parametrize(
    "call",
    [
        lambda x, q: F.group_norm(x.contiguous(), 2, torch.ones(8), torch.zeros(8)),
        lambda x, q: F.group_norm(x, 2),
        lambda x, q: F.group_norm(x.double(), 2, torch.ones(8).double(), torch.zeros(8).double()),
        lambda x, q: F.scaled_dot_product_attention(q, q, q, is_causal=True),
        lambda x, q: F.scaled_dot_product_attention(q, q, q, attn_mask=torch.ones(5, 5, dtype=torch.bool)),
        lambda x, q: F.scaled_dot_product_attention(q, q[:, :, :3], q[:, :, :3]),
        lambda x, q: F.scaled_dot_product_attention(q[0], q[0], q[0]),
    ],
)
def test_unsupported_arguments_are_computed_by_torch(call):
    x, q = images(2, 8, 4, 4).float(), normal(2, 2, 5, 4).float()
    choices = Always()
    with FastPath(choices):
        out = call(x, q)
    assert choices.used == {}
    assert torch.equal(out, call(x, q))


def test_attention_runs_in_the_precision_of_autocast():
    q = normal(1, 2, 5, 4).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plain = F.scaled_dot_product_attention(q, q, q)
        with FastPath(Always()):
            fast = F.scaled_dot_product_attention(q, q, q)
    assert fast.dtype == plain.dtype == torch.bfloat16


def test_a_choice_is_measured_once_and_stored(tmp_path):
    x, weight, bias = images(4, 16, 8, 8).float(), torch.ones(16), torch.zeros(16)
    first = Choices(tmp_path)
    before = torch.random.get_rng_state()
    with FastPath(first):
        F.group_norm(x, 4, weight, bias)
        F.group_norm(x[:1], 4, weight, bias)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert len(first.used) == 1  # for any number of images
    (file,) = (tmp_path / "fast_path").iterdir()
    (key,) = json.loads(file.read_text())
    assert key == "group norm [16, 8, 8] 4 float32 forward"

    for best in ("torch", "fast", "fast backward"):
        stored = {key: {"torch": 9.0, "fast": 9.0, "fast backward": 9.0} | {best: 1.0}}
        file.write_text(json.dumps(stored))
        again = Choices(tmp_path)
        with FastPath(again):
            F.group_norm(x, 4, weight, bias)
        assert again.used == {key: best}
        assert json.loads(file.read_text()) == stored  # nothing was measured again


def test_choices_in_a_damaged_file_are_measured_again(tmp_path):
    with FastPath(Choices(tmp_path)):
        F.group_norm(images(4, 16, 8, 8).float(), 4, torch.ones(16), torch.zeros(16))
    (file,) = (tmp_path / "fast_path").iterdir()
    file.write_text('{"group norm')
    again = Choices(tmp_path)
    with FastPath(again):
        F.group_norm(images(4, 16, 8, 8).float(), 4, torch.ones(16), torch.zeros(16))
    assert len(again.used) == 1
    assert set(json.loads(file.read_text())) == set(again.used)


def make_network():
    torch.manual_seed(0)
    unet = load("denoisers", "unet")(channels=16, multipliers=(1, 2), blocks=1, attention=(8,), heads=2)
    return unet.build(SPEC).to(memory_format=torch.channels_last)


def test_the_recipe_sets_precision_and_fast_path(tmp_path):
    cpu = torch.device("cpu")
    plain = choose_compute(Train(precision="fp32", fast_path="off"), make_network(), SPEC, cpu, tmp_path)
    assert (plain.precision, plain.choices, plain.describe()) == ("fp32", None, "fp32")
    chosen = choose_compute(Train(precision="bf16"), make_network(), SPEC, cpu, tmp_path)
    assert (chosen.precision, chosen.describe()) == ("bf16", "bf16, fast path")
    assert chosen.choices is not None


def test_choosing_a_precision_does_not_change_the_network(tmp_path):
    network = make_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.random.get_rng_state()
    choose_compute(Train(batch_size=4), network, SPEC, torch.device("cpu"), tmp_path)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_measuring_leaves_no_gradients_in_the_network():
    network = make_network()
    choices = Choices()
    with FastPath(choices):
        network(normal(4, 3, 16, 16).float(), normal(4, seed=1).float(), None)
    assert len(choices.used) > 5
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_network_has_the_gradients_of_the_plain_path(precision):
    x, level = normal(4, 3, 16, 16).float(), normal(4, seed=1).float()

    def gradients(choices):
        network = make_network()
        torch.nn.init.normal_(network.leave.weight, generator=torch.Generator().manual_seed(0))
        (Compute(torch.device("cpu"), precision, choices).wrap(network)(x, level, None).float() * x).sum().backward()
        return torch.cat([parameter.grad.flatten() for parameter in network.parameters()]).double()

    exact, fast = gradients(None), gradients(Always())
    assert float((fast - exact).norm() / exact.norm()) < (1e-5 if precision == "fp32" else 3e-2)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch's compiler reads it
def test_compiled_blocks_compute_the_same_as_the_network():
    network = make_network()
    torch.nn.init.normal_(network.leave.weight, generator=torch.Generator().manual_seed(0))
    x, level = normal(2, 3, 16, 16).float(), normal(2, seed=1).float()
    plain, names = network(x, level), list(network.state_dict())
    # The graph that inductor generates code from, without the code generation, which needs a compiler.
    assert compile_blocks(network, backend="aot_eager") == len(network.down) + len(network.middle) + len(network.up)
    torch.testing.assert_close(network(x, level), plain)
    network(x, level).sum().backward()
    assert list(network.state_dict()) == names
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize(
    "compiled",
    [
        False,
        pytest.param(True, marks=[pytest.mark.long, pytest.mark.skipif(not can_build(), reason="there is no C++ compiler")]),
    ],
)
def test_training_ends_with_the_same_loss_with_and_without_the_fast_path(tiny, cache, tmp_path, compiled):
    overrides = [
        "denoiser={use='unet', channels=16, multipliers=[1, 2], blocks=1, attention=[8], heads=4}",
        "train={steps=50, batch_size=16, learning_rate=2e-3, warmup=10, ema=0.9, precision='fp32', validate_every=0}",
        "sampler.steps=1",
    ]
    recipe = load_recipe(tiny, overrides)
    always, kernels = Always(), Kernels(tmp_path / "kernels", builds=compiled)

    def final_loss(choices):
        parts = assemble(recipe, torch.device("cpu"), cache)
        parts = replace(parts, compute=Compute(parts.device, "fp32", choices, kernels))
        moments = list(train(parts, tmp_path / str(choices is None)))
        return next(moment.metrics["val/loss"] for moment in reversed(moments) if "val/loss" in moment.metrics)

    plain = final_loss(None)
    assert plain < 0.6
    assert final_loss(always) == pytest.approx(plain, rel=0.01)
    expected = "compiled" if compiled else "fast"
    names = ("group norm and SiLU", "group norm and SiLU, forked", "group norm", "attention")
    assert always.used == dict.fromkeys(names, expected)

    # The trained network draws the same images in bfloat16, up to about one of 256 grey levels.
    parts = assemble(recipe, torch.device("cpu"), cache)
    load_average(latest_checkpoint(tmp_path / "True"), parts.network)
    slot = slot_of("samplers", {"use": "ddim", "steps": 50}, {})

    def images(precision, choices):
        compute = Compute(parts.device, precision, choices, kernels)
        return Generator(parts.network, parts.objective, parts.spec, compute).draw(slot, range(4), 0).images

    assert float((images("bf16", Always()) - images("fp32", None)).square().mean().sqrt()) < 1e-2


class Doubled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(1, 1, 1, bias=False).requires_grad_(False)
        self.layer.weight.fill_(2.0)

    def forward(self, x, level, cond=None):
        return self.layer(x)


@pytest.mark.parametrize(("precision", "second"), [("bf16", 2.0), ("fp32", 3.0)])
def test_frozen_weights_are_cast_once(precision, second):
    compute, network, x = Compute(torch.device("cpu"), precision), Doubled(), torch.ones(1, 1, 1, 1)
    evaluate = compute.for_sampling(network)
    with pytest.raises(RuntimeError, match="stops here"), torch.no_grad(), compute.frozen_weights(network):
        assert float(evaluate(x, x, None)) == 2.0
        network.layer.weight.fill_(3.0)  # not allowed: the weights cast to bfloat16 are not updated
        assert float(evaluate(x, x, None)) == second
        raise RuntimeError("stops here")
    assert not network.layer.weight.requires_grad
    assert float(evaluate(x, x, None)) == 3.0
