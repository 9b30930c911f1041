"""Oracles against the densities whose posterior means they are."""

import math

import pytest
import torch
from kit_mistakes.samplers import SinglePrecisionInside

from wb_samplers import DDIM, DDPM, DPMpp2MSDE, Heun
from workbench.diffusion import TimeGrid, sample
from workbench.interfaces import Sampler
from workbench.random import Stream
from workbench.testing import GaussianOracle, MixtureOracle, QuarterCircle, every_schedule, examine, reached_moments

MEANS, STDS, WEIGHTS = [-1.0, 0.8, 0.1], [0.3, 0.2, 0.5], [0.4, 0.5, 0.1]


def mixture(dims, schedule):
    means = torch.stack([torch.full((dims,), m, dtype=torch.float64) * torch.linspace(0.5, 1.5, dims) for m in MEANS])
    return means, MixtureOracle(means, STDS, WEIGHTS, schedule)


@pytest.mark.parametrize("schedule", every_schedule(), ids=repr)
@pytest.mark.parametrize("dims", [1, 2, 3072])
def test_the_posterior_mean_of_a_mixture_is_tweedies_formula(dims, schedule):
    # Efron 2011: E[x0 | x] = (x + sigma^2 grad log p(x)) / alpha, the gradient by automatic differentiation of the density itself.
    means, oracle = mixture(dims, schedule)
    for t in (0.9, 0.5, 0.1):
        alpha, sigma = schedule.at(t)
        noise = Stream(0, "oracle").normal(0, torch.arange(4), (dims,), torch.float64)
        x = (alpha * means[[0, 1, 2, 1]] + math.hypot(sigma, 0.2 * alpha) * noise).requires_grad_()
        parts = []
        for mean, std, weight in zip(means, STDS, WEIGHTS, strict=True):
            variance = alpha**2 * std**2 + sigma**2
            parts.append(math.log(weight) - 0.5 * dims * math.log(variance) - 0.5 * (x - alpha * mean).square().sum(1) / variance)
        torch.logsumexp(torch.stack(parts), 0).sum().backward()
        expected = (x.detach() + sigma**2 * x.grad) / alpha
        torch.testing.assert_close(oracle(x.detach(), t), expected, rtol=1e-8, atol=1e-8)


def test_a_mixture_of_one_is_a_gaussian():
    schedule, x = QuarterCircle(), torch.linspace(-1, 1.5, 7, dtype=torch.float64)[:, None]
    one, gaussian = MixtureOracle([0.4], [0.3], [1.0], schedule), GaussianOracle(0.4, 0.3, schedule)
    for t, s in [(1.0, 0.5), (0.5, 0.0), (0.2, 0.7)]:
        torch.testing.assert_close(one(x, t), gaussian(x, t))
        torch.testing.assert_close(one.flow(x, t, s), gaussian.flow(x, t, s), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("schedule", every_schedule(), ids=repr)
def test_the_exact_flow_solves_its_differential_equation(schedule):
    # dx/dlambda-free form: between close times the flow moves x like the first-order rule, up to the square of the step.
    oracle = MixtureOracle([-1.0, 0.8], [0.3, 0.2], [0.4, 0.6], schedule)
    t = float(schedule.time(torch.tensor(1.0, dtype=torch.float64)))
    alpha, sigma = schedule.at(t)
    x = math.hypot(alpha, sigma) * torch.linspace(-1.5, 1.5, 9, dtype=torch.float64)[:, None]

    def off(logsnr_step):
        s = float(schedule.time(torch.tensor(1.0 + logsnr_step, dtype=torch.float64)))
        moved, _ = DDIM().step(oracle, x, t, s, state=None, noise=None)
        return float((oracle.flow(x, t, s) - moved).abs().max())

    assert off(1e-3) < 1e-5
    assert off(1e-2) / off(1e-3) == pytest.approx(100, rel=0.1)


@pytest.mark.parametrize("sampler", [DDIM(), DDIM(eta=0.7), DDPM(variance="beta"), DPMpp2MSDE(), Heun()], ids=repr)
def test_superposed_moments_are_those_of_many_samples(sampler):
    oracle, path = GaussianOracle(0.7, 0.5, QuarterCircle()), TimeGrid.of([1.0, 0.8, 0.5, 0.6, 0.3, 0.0])
    mean_t, std_t = oracle.marginal(1.0)
    start = mean_t + std_t * Stream(1, "start").normal(0, torch.arange(100_000), (1,), torch.float64)
    drawn = sample(oracle, sampler, path, images=100_000, shape=(1,), seed=0, dtype=torch.float64, start=start)
    mean, std = reached_moments(sampler, oracle, path)
    # Standard errors of 100,000 draws are 0.002 and 0.001.
    assert drawn.mean().item() == pytest.approx(mean, abs=0.008)
    assert drawn.std().item() == pytest.approx(std, abs=0.006)


def test_moments_are_not_superposed_if_a_sampler_is_not_linear():
    class Squares(Sampler):
        def step(self, posterior, x, t, s, *, state, noise):
            return posterior(x, t) + 0.1 * x.square(), None

    with pytest.raises(ValueError, match="not linear"):
        reached_moments(Squares(), GaussianOracle(0.7, 0.5, QuarterCircle()), TimeGrid.uniform(3))


class Nonlinear(Sampler):
    """DDIM with a small term that is not linear in x and vanishes with the step length."""

    amount: float

    def step(self, posterior, x, t, s, *, state, noise):
        x_s, _ = DDIM().step(posterior, x, t, s, state=None, noise=noise)
        return x_s + self.amount * (t - s) ** 2 * x.square(), None


def test_the_tolerance_of_superposition_follows_the_precision():
    oracle, path = GaussianOracle(0.7, 0.5, QuarterCircle()), TimeGrid.uniform(50)
    exact = reached_moments(DDIM(), oracle, path)
    assert reached_moments(SinglePrecisionInside(), oracle, path) == pytest.approx(exact, abs=1e-5)
    with pytest.raises(ValueError, match="not linear"):
        reached_moments(Nonlinear(amount=1e-5), oracle, path)  # hidden by rounding in float32


def test_a_sampler_that_is_not_linear_is_tested_by_sampling():
    results = {result.check.name: result for result in examine(Nonlinear(amount=0.1))}
    assert results["moments"].state == results["any_step_count"].state == "passed", results["moments"].message
