"""The training objective."""

import pytest
import torch

from wb_schedules import Cosine, Flow, Linear
from workbench.diffusion import PARAMETERIZATIONS, Objective
from workbench.testing import GaussianOracle, OracleNetwork


def test_grid_times_are_the_times_of_the_table_equally_often():
    objective = Objective(Linear(steps=40), PARAMETERIZATIONS["eps"], "grid")
    t = objective.draw_times((torch.arange(1000, dtype=torch.float64) + 0.5) / 1000)
    values, counts = t.unique(return_counts=True)
    torch.testing.assert_close(values, torch.arange(1, 41, dtype=torch.float64) / 40)
    assert set(counts.tolist()) == {25}


def test_uniform_times_are_above_zero():
    objective = Objective(Flow(), PARAMETERIZATIONS["v"], "uniform")
    assert objective.draw_times(torch.tensor([0.0, 0.999999], dtype=torch.float64)).tolist() == pytest.approx([1.0, 1e-6])


@pytest.mark.parametrize("schedule", [Cosine(), Flow()])
def test_the_logarithm_of_sigma_over_alpha_of_lognormal_times_is_normal(schedule):
    objective = Objective(schedule, PARAMETERIZATIONS["v"], "lognormal", mean=-1.2, std=1.2)
    u = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
    log_sigma = -0.5 * schedule.logsnr(objective.draw_times(u))
    assert log_sigma.mean().item() == pytest.approx(-1.2, abs=0.01)
    assert log_sigma.std().item() == pytest.approx(1.2, abs=0.01)


def test_simple_weight_on_eps_is_the_squared_error_of_the_noise():
    torch.manual_seed(0)
    objective = Objective(Linear(), PARAMETERIZATIONS["eps"])
    x0, eps = torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8)
    loss = objective.loss(
        lambda x, level, cond: torch.zeros_like(x), x0, eps, torch.tensor([0.1, 0.4, 0.7, 1.0], dtype=torch.float64)
    )
    torch.testing.assert_close(loss, eps.square().flatten(1).mean(1))


def test_min_snr_weight_on_eps_is_the_published_one():
    # Hang et al. 2023, section 3.4: min(SNR, gamma) / SNR for noise prediction, min(SNR, gamma) / (SNR + 1) for v.
    schedule = Cosine()
    alpha, sigma = schedule.alpha_sigma(torch.linspace(0.05, 0.95, 19, dtype=torch.float64))
    snr = (alpha / sigma).square()
    capped = snr.clamp(max=5.0)
    torch.testing.assert_close(Objective(schedule, PARAMETERIZATIONS["eps"], weight="min_snr").omega(alpha, sigma), capped / snr)
    torch.testing.assert_close(
        Objective(schedule, PARAMETERIZATIONS["v"], weight="min_snr").omega(alpha, sigma), capped / (snr + 1)
    )


def test_edm_weight_on_the_edm_parameterization_is_one():
    # Karras et al. 2022, table 1: lambda(sigma) c_out^2 = 1.
    alpha, sigma = torch.ones(5, dtype=torch.float64), torch.tensor([0.01, 0.1, 1.0, 10.0, 80.0], dtype=torch.float64)
    omega = Objective(Flow(), PARAMETERIZATIONS["edm"], weight="edm").omega(alpha, sigma)
    torch.testing.assert_close(omega, torch.ones_like(omega))


@pytest.mark.parametrize("name", PARAMETERIZATIONS)
def test_the_perfect_network_has_the_irreducible_loss_and_a_worse_one_more(name):
    schedule, parameterization = Cosine(), PARAMETERIZATIONS[name]
    objective = Objective(schedule, parameterization)
    generator = torch.Generator().manual_seed(0)
    x0 = 0.7 + 0.5 * torch.randn(200_000, 1, generator=generator, dtype=torch.float64)
    eps = torch.randn(200_000, 1, generator=generator, dtype=torch.float64)
    t = torch.full((200_000,), 0.5, dtype=torch.float64)
    alpha, sigma = schedule.at(0.5)
    # Var(x0 | x_t) = sd^2 sigma^2 / (alpha^2 sd^2 + sigma^2); F - F* = (x0_hat - x0) (a - b alpha / sigma).
    a, b = parameterization.pair(torch.tensor(alpha), torch.tensor(sigma))
    variance = 0.25 * sigma**2 / (alpha**2 * 0.25 + sigma**2)
    expected = float((a - b * alpha / sigma) ** 2 * variance)

    perfect = objective.loss(OracleNetwork(GaussianOracle(0.7, 0.5, schedule), parameterization), x0, eps, t).mean().item()
    worse = objective.loss(OracleNetwork(GaussianOracle(0.5, 0.5, schedule), parameterization), x0, eps, t).mean().item()
    assert perfect == pytest.approx(expected, rel=0.02)
    assert worse > 1.05 * perfect
