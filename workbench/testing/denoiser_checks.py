"""The checks for denoisers. Pass a small one: the checks build it many times."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.interfaces import CombinationError, Denoiser, SampleSpec
from workbench.testing.checking import check_of, require

CLASSES = ("a", "b", "c")


def _spec(denoiser: Denoiser, classes: tuple[str, ...] = CLASSES) -> SampleSpec:
    for side in (16, 32, 64):
        spec = SampleSpec(3, side, side, classes)
        try:
            denoiser.check(spec)
        except CombinationError:
            continue
        return spec
    require(False, "it accepts neither 16, 32 nor 64 pixels: pass a component with smaller settings")
    raise AssertionError


def _build(denoiser: Denoiser, spec: SampleSpec, seed: int = 0) -> nn.Module:
    """A network in which no parameter is all zeros, as after training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = denoiser.build(spec)
        for parameter in network.parameters():
            if not parameter.any():
                nn.init.normal_(parameter, std=0.1)
    return network.eval()


def _batch(spec: SampleSpec, images: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(images, *spec.shape, generator=generator)
    return x, torch.linspace(-8.0, 8.0, images), torch.tensor([0, 2, -1, 1])[:images]


@check_of("denoisers")
def shape(denoiser: Denoiser) -> None:
    """The output has the input's shape and is finite, at every level from -20 to 20, for one image and for several.

    warnings() returns sentences.
    """
    spec = _spec(denoiser)
    warnings = denoiser.warnings(spec)
    sentences = not isinstance(warnings, str) and all(isinstance(sentence, str) for sentence in warnings)
    require(sentences, f"warnings() returns {warnings!r:.80}, not a sequence of sentences")
    network = _build(denoiser, spec)
    for images in (1, 4):
        x, level, cond = _batch(spec, images)
        for levels in (level, torch.full_like(level, -20.0), torch.full_like(level, 20.0)):
            with torch.no_grad():
                out = network(x, levels, cond)
            require(out.shape == x.shape, f"the output for images {list(x.shape)} is {list(out.shape)}")
            require(bool(torch.isfinite(out).all()), f"the output is not finite at level {float(levels[0]):g}")


@check_of("denoisers")
def level_matters(denoiser: Denoiser) -> None:
    """The output depends on the level."""
    spec = _spec(denoiser)
    network, (x, level, cond) = _build(denoiser, spec), _batch(spec)
    with torch.no_grad():
        off = (network(x, level, cond) - network(x, level + 1.0, cond)).abs().max()
    require(float(off) > 1e-6, "the output is the same at another level")


@check_of("denoisers")
def batch_independence(denoiser: Denoiser) -> None:
    """Images of a batch do not influence each other, in training mode either."""
    spec = _spec(denoiser)
    x, level, cond = _batch(spec)
    network = _build(denoiser, spec)
    others = torch.cat([x[:1], 3.0 * x[1:] + 1.0])
    with torch.no_grad():
        whole = network(x, level, cond)
        alone = torch.cat([network(x[i : i + 1], level[i : i + 1], cond[i : i + 1]) for i in range(len(x))])
        norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        changed = network(others, level, cond)
    require(
        torch.allclose(whole, alone, rtol=1e-3, atol=1e-3),
        f"outputs of single images and of a batch differ by {float((whole - alone).abs().max()):.3g}",
    )
    require(
        torch.allclose(whole[0], changed[0], rtol=1e-3, atol=1e-3), "an image's output changes with the other images of its batch"
    )
    require(not norms, "batch norm couples the images of a batch in training: use group norm")


@check_of("denoisers")
def gradients(denoiser: Denoiser) -> None:
    """The gradient reaches every parameter."""
    spec = _spec(denoiser)
    network, (x, level, cond) = _build(denoiser, spec).train(), _batch(spec)
    network(x, level, cond).square().sum().backward()
    missed = [name for name, parameter in network.named_parameters() if parameter.grad is None or not bool(parameter.grad.any())]
    require(not missed, f"no gradient reaches {', '.join(missed[:5])}")


@check_of("denoisers")
def null_condition(denoiser: Denoiser) -> None:
    """No condition and the label -1 give the same output, other labels do not, and data without classes need no condition."""
    spec = _spec(denoiser)
    network, (x, level, _) = _build(denoiser, spec), _batch(spec, 1)
    with torch.no_grad():
        none, null, first, second = (network(x, level, cond) for cond in (None, *(torch.tensor([k]) for k in (-1, 0, 1))))
        plain = _build(denoiser, _spec(denoiser, ()))(x, level, None)
    require(torch.allclose(none, null, rtol=1e-4, atol=1e-4), "cond = None and cond = -1 differ")
    require(not torch.allclose(first, second, rtol=1e-6, atol=1e-6), "two labels give the same output: the condition is not used")
    require(plain.shape == x.shape, f"without classes, the output for images {list(x.shape)} is {list(plain.shape)}")


@check_of("denoisers")
def state_dict(denoiser: Denoiser) -> None:
    """The state dict holds everything that is learned."""
    spec = _spec(denoiser)
    first, second = _build(denoiser, spec), _build(denoiser, spec, seed=1)
    second.load_state_dict(first.state_dict())
    x, level, cond = _batch(spec)
    with torch.no_grad():
        require(
            torch.equal(first(x, level, cond), second(x, level, cond)),
            "a network with the same state dict gives a different output",
        )


DENOISER_CHECKS = (shape, level_matters, batch_independence, gradients, null_condition, state_dict)
