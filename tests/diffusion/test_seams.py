"""Values passed between network, parameterization, objective and posterior."""

import math

import pytest
import torch

from wb_schedules import Cosine, Flow
from workbench.diffusion import (
    PARAMETERIZATIONS,
    Conditioned,
    Counted,
    Guided,
    NetworkPosterior,
    Objective,
    bisected_time,
    level_of,
)
from workbench.testing import Constant

X0, EPS = torch.tensor(0.3, dtype=torch.float64), torch.tensor(-1.1, dtype=torch.float64)
ALPHA, SIGMA = torch.tensor(0.6, dtype=torch.float64), torch.tensor(0.8, dtype=torch.float64)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x0", X0),
        ("eps", EPS),
        ("v", ALPHA * EPS - SIGMA * X0),
        ("flow", EPS - X0),
        ("edm", (SIGMA * X0 - 0.25 * ALPHA * EPS) / (0.5 * (0.25 * ALPHA**2 + SIGMA**2).sqrt())),
    ],
)
def test_the_regression_target_is_the_published_one(name, expected):
    torch.testing.assert_close(PARAMETERIZATIONS[name].target(X0, EPS, ALPHA, SIGMA), expected)


class RecordingNetwork:
    """A network that records its arguments and predicts zero."""

    def __call__(self, x, level, cond):
        self.x, self.level, self.cond = x, level, cond
        return torch.zeros_like(x)


@pytest.mark.parametrize("name", PARAMETERIZATIONS)
def test_training_and_sampling_call_the_network_with_the_same_arguments(name):
    schedule, parameterization, label = Cosine(), PARAMETERIZATIONS[name], torch.tensor([2])
    x0, eps = torch.full((1, 2), 0.4, dtype=torch.float64), torch.full((1, 2), -0.9, dtype=torch.float64)
    alpha, sigma = schedule.at(0.6)
    trained, sampled = RecordingNetwork(), RecordingNetwork()

    Objective(schedule, parameterization).loss(trained, x0, eps, torch.tensor([0.6], dtype=torch.float64), label)
    NetworkPosterior(sampled, schedule, parameterization)(alpha * x0 + sigma * eps, 0.6, label)

    scale = (0.25 * alpha**2 + sigma**2) ** -0.5 if name == "edm" else 1.0  # Karras et al. 2022, c_in
    for network in (trained, sampled):
        torch.testing.assert_close(network.x, scale * (alpha * x0 + sigma * eps))
        assert network.level.item() == pytest.approx(2 * math.log(alpha / sigma))
        assert torch.equal(network.cond, label)


@pytest.mark.parametrize("weight", ["simple", "min_snr", "edm"])
def test_the_loss_is_the_weight_times_the_squared_error(weight):
    objective = Objective(Cosine(), PARAMETERIZATIONS["v"], weight=weight)
    t = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    x0, eps = torch.ones(3, 4, dtype=torch.float64), torch.full((3, 4), 0.5, dtype=torch.float64)
    alpha, sigma = objective.schedule.alpha_sigma(t)
    expected = objective.omega(alpha, sigma) * (0.5 * alpha - sigma).square()
    torch.testing.assert_close(objective.loss(RecordingNetwork(), x0, eps, t), expected)


def test_a_network_is_given_finite_levels_only():
    assert level_of(torch.tensor([-math.inf, -21.0, 3.0, 21.0, math.inf])).tolist() == [-20.0, -20.0, 3.0, 20.0, 20.0]
    network = RecordingNetwork()
    NetworkPosterior(network, Flow(), PARAMETERIZATIONS["v"])(torch.zeros(1, 2), 1.0)
    assert network.level.tolist() == [-20.0]


def test_guidance_of_one_is_the_posterior_itself_and_takes_one_evaluation():
    schedule, x = Cosine(), torch.zeros(1, 1)
    inner, guide = Counted(Constant(torch.tensor([0.5]), schedule)), Counted(Constant(torch.tensor([9.0]), schedule))
    assert Guided(inner, 1.0, guide)(x, 0.5).item() == 0.5
    assert (inner.nfe, guide.nfe) == (1, 0)


def test_the_guide_is_the_same_network_without_its_condition():
    network = NetworkPosterior(RecordingNetwork(), Cosine(), PARAMETERIZATIONS["x0"])
    guided = Guided(Conditioned(network, torch.tensor([1])), 2.0)
    guided.guide(torch.zeros(1, 1), 0.5)
    assert network.network.cond is None


def test_bisection_of_infinite_log_snr_gives_the_ends():
    ends = bisected_time(Cosine(), torch.tensor([math.inf, -math.inf], dtype=torch.float64))
    assert ends.tolist() == [0.0, 1.0]
