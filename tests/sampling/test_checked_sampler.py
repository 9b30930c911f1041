"""Errors for invalid results of components name the component."""

import pytest
import torch
from torch import nn

from workbench.compute.computation import Compute
from workbench.diffusion import PARAMETERIZATIONS, Objective
from workbench.errors import BrokenComponent, DataError, SamplingError
from workbench.interfaces import Example, Examples, Provenance, Sampler, SampleSpec
from workbench.model.contract import check_examples, check_network
from workbench.recipe import SamplerSlot
from workbench.registry import load
from workbench.sampling.generator import Generator

SPEC = SampleSpec(3, 8, 8)


class Move(Sampler[None]):
    """Returns the posterior mean at every time, made invalid as `spoil` sets."""

    spoil: str = "not"

    def step(self, posterior, x, t, s, *, state, noise):
        moved = posterior(x, t)
        return {
            "not": (moved, None),
            "shape": (moved[..., :4], None),
            "dtype": (moved.double(), None),
            "no pair": moved,
            "nan": (moved * float("nan") if s < 0.5 else moved, None),
        }[self.spoil]


class Global(Sampler[None]):
    """Infinite at random by the global generator: at first, and no longer when the failed step is repeated."""

    def step(self, posterior, x, t, s, *, state, noise):
        return (posterior(x, t) / torch.empty(1).uniform_().round(), None)


class Network(nn.Module):
    """Zero, or something that is not a prediction."""

    def __init__(self, out=lambda x, level: x * 0.0):
        super().__init__()
        self.out = out

    def forward(self, x, level, cond=None):
        return self.out(x, level)


def draw(sampler, network=None, clamp=True):
    objective = Objective(load("schedules", "cosine")(), PARAMETERIZATIONS["x0"], "uniform")
    generator = Generator(network or Network(), objective, SPEC, Compute(torch.device("cpu")))
    return generator.draw(SamplerSlot(use="mine", component=sampler, steps=4, clamp=clamp), range(2), 0).images


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("shape", r"sampler 'mine': moving from t = 1 to 0.75 turned float32 \[2, 3, 8, 8\] into float32 \[2, 3, 8, 4\]"),
        ("dtype", r"sampler 'mine': .* into float64 \[2, 3, 8, 8\]"),
        ("no pair", r"sampler 'mine': a step returns the new sample and the state, as a pair; it returned Tensor"),
        ("nan", r"sampler 'mine': its step down to t = 0.25 gave nan or infinity although the network's prediction was finite"),
    ],
)
def test_the_error_for_an_invalid_step_names_the_sampler_and_the_times(spoil, message):
    with pytest.raises(SamplingError, match=message):
        draw(Move(spoil=spoil))


def test_an_exception_in_a_sampler_is_reported_with_its_location():
    class Raises(Sampler[None]):
        def step(self, posterior, x, t, s, *, state, noise):
            return {}["missing"], None

    with pytest.raises(
        SamplingError,
        match=r"sampler 'mine': moving from t = 1 to 0.75 raised KeyError: 'missing' \(.*test_checked_sampler.py:\d+",
    ):
        draw(Raises())


def test_a_valid_sampler_draws():
    assert torch.equal(draw(Move()), torch.zeros(2, 3, 8, 8))


def test_a_nan_of_the_network_is_distinguished_from_one_of_the_sampler():
    def out(x, level):
        return torch.full_like(x, float("nan")) if level[0] > 0 else x * 0.0

    with pytest.raises(SamplingError, match=r"the network's prediction at t = 0.25 is not finite, so 'mine' cannot draw"):
        draw(Move(), Network(out))


def test_an_infinity_that_does_not_recur_is_reported_as_unkeyed_noise():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    messages = []
    for seed in range(20):
        torch.manual_seed(seed)
        try:
            draw(Global(), Network(lambda x, level: x * 0.0 + 1.0), clamp=False)
        except SamplingError as error:
            messages.append(str(error))
    torch.set_rng_state(before)
    assert any("it uses noise that it was not given" in message for message in messages)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (
            lambda x, level: x[:, :1],
            r"denoiser 'mine': its network turns \[1, 3, 8, 8\] into float32 \[1, 1, 8, 8\]; the shape must stay",
        ),
        (lambda x, level: None, r"turns \[1, 3, 8, 8\] into NoneType"),
        (lambda x, level: x + x[..., :3], r"fails when called as network\(x \[1, 3, 8, 8\], level \[1\], None\): "),
    ],
)
def test_a_network_that_does_not_keep_the_shape_is_refused_before_training(out, message):
    network = Network(out).train()
    with pytest.raises(BrokenComponent, match=message):
        check_network(network, SPEC, "mine")
    assert network.training


class Listed(Examples):
    def __init__(self, *images):
        self.list = images

    provenance = Provenance("a list", "built in", "0")

    def __len__(self):
        return len(self.list)

    def __getitem__(self, index):
        return Example(self.list[index])


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], r"dataset 'mine' has no examples \(built in\)"),
        ([torch.zeros(3, 8, 9)], r"its first image is float32 \[3, 8, 9\], not float32 \[3, 8, 8\]"),
        ([torch.zeros(3, 8, 8).double()], r"its first image is float64 \[3, 8, 8\]"),
        ([torch.full((3, 8, 8), 255.0)], r"images must be in \[-1, 1\]; the first one is in \[255, 255\]"),
        ([torch.full((3, 8, 8), float("nan"))], r"images must be in \[-1, 1\]"),
    ],
)
def test_a_dataset_whose_images_are_not_as_described_is_refused_before_training(images, message):
    with pytest.raises(DataError, match=message):
        check_examples(Listed(*images), SPEC, "mine")


def test_images_as_described_are_accepted():
    check_examples(Listed(torch.zeros(3, 8, 8)), SPEC, "mine")
