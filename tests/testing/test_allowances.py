"""The tolerances of the kit are the errors of first-order samplers, and little more."""

import math

import pytest
import torch

from wb_samplers import DDIM, DDPM
from workbench.diffusion import TimeGrid
from workbench.testing import ForbiddenNoise, GaussianOracle, MixtureOracle, QuarterCircle, reached_moments
from workbench.testing.sampler_mixture import CASES, HIGH, Mixture
from workbench.testing.walking import walk

SHARES, STD, CENTRES = (0.3, 0.7), 0.12, (-0.7, 0.7)


def biases(larger_variance):
    """Biases of ancestral sampling divided by h: (share, mean, spread) of both parts, the latter two in standard deviations."""
    steps = torch.linspace(math.log(0.002), math.log(50.0), 400, dtype=torch.float64)
    whole = sum(expected_curvature(math.exp(step), larger_variance) for step in steps) * (steps[1] - steps[0])
    result = []
    for share, centre, (d0, d1, d2) in zip(SHARES, CENTRES, -2.0 * whole, strict=True):
        variance = (d2 - 2.0 * centre * d1 + centre**2 * d0 - STD**2 * d0) / share
        result.append((d0, (d1 - centre * d0) / share / STD, 0.5 * variance / STD**2))
    return torch.tensor(result)


def expected_curvature(sigma, larger_variance):
    """E[f'' (v - k sigma^2)] for f(x) = E[x0^n, x0 in a part | x], [part, n], for alpha = 1."""
    spread = STD**2 + sigma**2
    x = torch.linspace(-0.7 - 9 * spread**0.5, 0.7 + 9 * spread**0.5, 8001, dtype=torch.float64)
    dx = x[1] - x[0]
    density = torch.stack([w * torch.exp(-0.5 * (x - c) ** 2 / spread) for w, c in zip(SHARES, CENTRES, strict=True)])
    density = density / (2.0 * math.pi * spread) ** 0.5
    part = density / density.sum(0)
    mean = torch.stack([c + STD**2 / spread * (x - c) for c in CENTRES])
    within = STD**2 * sigma**2 / spread
    v = within + (part * (mean - (part * mean).sum(0)) ** 2).sum(0)
    f = torch.stack([part, part * mean, part * (mean**2 + within)], 1)
    curvature = torch.gradient(torch.gradient(f, spacing=float(dx), dim=-1)[0], spacing=float(dx), dim=-1)[0]
    return (curvature * density.sum(0) * (v - larger_variance * sigma**2)).sum(-1) * dx


@pytest.mark.parametrize("larger_variance", [0, 1])
def test_the_bias_of_ancestral_sampling_is_within_the_tolerance_and_of_its_size(larger_variance):
    share, mean, spread = biases(larger_variance).abs().max(0).values.tolist()
    assert share < 0.2
    assert mean < 1.0
    assert spread < 1.0
    assert max(5.0 * share, mean, spread) > 0.35  # at least a third of the tolerance is needed


def test_the_bias_of_eulers_method_is_within_the_tolerance():
    schedule, case = QuarterCircle(), Mixture(1, 4001, 150)
    oracle, path = MixtureOracle(CENTRES, [STD, STD], SHARES, schedule), case.grid(schedule)
    quantiles = (torch.arange(case.images, dtype=torch.float64) + 0.5) / case.images
    # At sigma / alpha = 20 the mixture is a Gaussian to 1e-5.
    alpha, sigma = schedule.at(path.times[0])
    mean = alpha * sum(share * centre for share, centre in zip(SHARES, CENTRES, strict=True))
    start = mean + math.hypot(alpha * math.hypot(STD, 1.4 * (0.3 * 0.7) ** 0.5), sigma) * torch.special.ndtri(quantiles)
    x = walk(DDIM(), oracle, path, start[:, None], ForbiddenNoise())[:, 0]
    assert abs((x > 0).double().mean() - 0.7) < 0.2 * case.h
    for part, centre in ((x[x < 0], -0.7), (x[x > 0], 0.7)):
        assert abs(part.mean() - centre) < STD * case.h
        assert abs(part.std() - STD) < STD * case.h


@pytest.mark.parametrize(("sampler", "expected"), [(DDPM(), -0.5), (DDPM(variance="beta"), 0.5), (DDIM(), -0.25)], ids=repr)
def test_the_error_of_the_spread_of_one_gaussian_is_that_of_the_expansion(sampler, expected):
    # By the same expansion, in closed form: 4 h s^6 times the integral of sigma / (s^2 + sigma^2)^3, which is h s^2, and similarly for the others.
    schedule, case = QuarterCircle(), CASES[0]
    _, std = reached_moments(sampler, GaussianOracle(0.7, STD, schedule), TimeGrid.logsnr(case.steps, schedule, 0.002, HIGH))
    h = math.log(HIGH / 0.002) / (case.steps - 1)
    assert (std / STD - 1.0) / h == pytest.approx(expected, abs=0.05)
