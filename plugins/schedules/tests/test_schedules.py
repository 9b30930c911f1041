"""Schedules against their definitions. The conformance kit checks the laws of all schedules."""

import math

import pytest
import torch

from wb_schedules import EDM, Cosine, Flow, Linear, ScaledLinear, Sigmoid


@pytest.mark.parametrize("steps", [300, 1000])
def test_linear_is_the_cumulative_product_of_the_papers_betas(steps):
    beta = torch.linspace(1e-4, 0.02, steps, dtype=torch.float64) * 1000 / steps
    alpha_bar = torch.cumprod(1 - beta, 0)
    alpha, sigma = Linear(steps=steps).alpha_sigma(torch.arange(1, steps + 1, dtype=torch.float64) / steps)
    torch.testing.assert_close(alpha.square(), alpha_bar, rtol=1e-11, atol=0)
    torch.testing.assert_close(sigma.square(), 1 - alpha_bar, rtol=1e-9, atol=0)


def test_scaled_linear_is_stable_diffusions_table():
    beta = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    alpha, _ = ScaledLinear().alpha_sigma(torch.arange(1, 1001, dtype=torch.float64) / 1000)
    torch.testing.assert_close(alpha.square(), torch.cumprod(1 - beta, 0), rtol=1e-11, atol=0)
    # Lin et al. 2023, table 1: sqrt(alpha_bar) of Stable Diffusion at T is 0.068265, its SNR 0.004682.
    alpha, sigma = ScaledLinear().at(1.0)
    assert alpha == pytest.approx(0.068265, abs=1e-6)
    assert (alpha / sigma) ** 2 == pytest.approx(0.004682, abs=1e-6)


@pytest.mark.parametrize("schedule", [Linear(), Linear(steps=300), ScaledLinear(), Cosine()], ids=repr)
def test_zero_terminal_snr_is_the_papers_algorithm(schedule):
    # Lin et al. 2023, algorithm 1, on the table of sqrt(alpha_bar) from 1 to T.
    t = torch.arange(1, schedule.steps + 1, dtype=torch.float64) / schedule.steps
    root = schedule.alpha_sigma(t)[0]
    expected = (root - root[-1]) * root[0] / (root[0] - root[-1])
    rescaled = schedule.model_copy(update={"zero_terminal_snr": True})
    alpha, sigma = rescaled.alpha_sigma(t)
    torch.testing.assert_close(alpha, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(alpha.square() + sigma.square(), torch.ones_like(t))
    assert rescaled.at(1.0) == (0.0, 1.0)


def test_unscaled_betas_over_300_steps_leave_a_fifth_of_the_image_and_scaled_ones_nothing():
    unscaled, scaled = Linear(steps=300, scale_to_steps=False).at(1.0)[0], Linear(steps=300).at(1.0)[0]
    assert unscaled**2 == pytest.approx(0.048, abs=0.001)
    assert scaled**2 == pytest.approx(3.4e-5, rel=0.05)
    assert Linear(steps=1000).at(1.0)[0] ** 2 == pytest.approx(4.04e-5, rel=0.01)  # the 1000 steps of Ho et al.


def test_cosine_is_the_papers_squared_cosine():
    # Nichol & Dhariwal 2021, equation 17; betas are clipped at 0.999, which matters only for the last ones.
    t = torch.arange(0, 990, dtype=torch.float64) / 1000
    f = torch.cos((t + 0.008) / 1.008 * math.pi / 2).square()
    torch.testing.assert_close(Cosine().alpha_sigma(t)[0].square(), f / f[0], rtol=1e-10, atol=0)


def test_the_last_beta_of_cosine_is_clipped_as_in_the_paper():
    # Nichol & Dhariwal 2021, section 3.2: beta is at most 0.999.
    before, last = (Cosine().at(t)[0] ** 2 for t in (0.999, 1.0))
    assert 1 - last / before == pytest.approx(0.999, rel=1e-9)


@pytest.mark.parametrize(("start", "end", "temperature"), [(-3.0, 3.0, 1.0), (0.0, 3.0, 0.3), (-3.0, 3.0, 0.7)])
def test_sigmoid_is_the_papers_algorithm(start, end, temperature):
    # Chen 2023, algorithm 1: gamma(t) = (sigmoid(end / tau) - sigmoid((start + t (end - start)) / tau)) / (the same at t = 0).
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    first, last = (torch.sigmoid(torch.tensor(value / temperature, dtype=torch.float64)) for value in (start, end))
    gamma = (last - torch.sigmoid((start + t * (end - start)) / temperature)) / (last - first)
    alpha, sigma = Sigmoid(start=start, end=end, temperature=temperature).alpha_sigma(t)
    torch.testing.assert_close(alpha.square(), gamma, rtol=0, atol=1e-14)
    torch.testing.assert_close(sigma.square(), 1 - gamma, rtol=0, atol=1e-14)


def test_flow_is_a_straight_line():
    t = torch.tensor([0.0, 0.25, 1.0])
    alpha, sigma = Flow().alpha_sigma(t)
    assert alpha.tolist() == [1.0, 0.75, 0.0]
    assert sigma.tolist() == [0.0, 0.25, 1.0]


def test_equal_steps_on_edm_are_karras_steps_with_sigma_min_zero():
    # Karras et al. 2022, equation 5, with sigma_min = 0 and rho = 7.
    i = torch.arange(0, 19, dtype=torch.float64)
    expected = (80.0 ** (1 / 7) + i / 18 * (0.0 - 80.0 ** (1 / 7))) ** 7
    alpha, sigma = EDM(rho=7.0).alpha_sigma(1.0 - i / 18)
    torch.testing.assert_close(sigma, expected, rtol=1e-12, atol=1e-12)
    assert (alpha == 1.0).all()


def test_sigma_near_the_data_is_precise():
    # 1 - alpha_bar in float64 would lose six of sixteen digits here.
    sigma = Linear(steps=1000, scale_to_steps=False).at(1e-9)[1]
    assert sigma**2 == pytest.approx(-math.expm1(1e-6 * math.log1p(-1e-4)), rel=1e-13)
    # sigmoid(b) - sigmoid(a) is the derivative times the distance for close arguments.
    slope = 6.0 * torch.sigmoid(torch.tensor(3.0)).item() * torch.sigmoid(torch.tensor(-3.0)).item()
    whole = torch.sigmoid(torch.tensor(3.0)).item() - torch.sigmoid(torch.tensor(-3.0)).item()
    assert Sigmoid().at(1e-12)[1] ** 2 == pytest.approx(1e-12 * slope / whole, rel=1e-6)


@pytest.mark.parametrize("schedule", [Linear, ScaledLinear])
@pytest.mark.parametrize("settings", [{"beta_start": 0.5, "beta_end": 0.1}, {"steps": 10}])
def test_decreasing_betas_and_betas_above_one_are_refused(schedule, settings):
    with pytest.raises(ValueError, match="beta"):
        schedule(**({"beta_end": 0.02} | settings))


def test_curves_that_do_not_decrease_are_refused():
    with pytest.raises(ValueError, match="above start"):
        Sigmoid(start=1.0, end=0.0)
    with pytest.raises(ValueError, match="temperature"):
        Sigmoid(temperature=0.05)
