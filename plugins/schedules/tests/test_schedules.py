"""Schedules against their definitions."""

import math

import pytest
import torch

from wb_schedules import Cosine, Flow, Linear
from workbench.testing import every_schedule

EACH = pytest.mark.parametrize(
    "schedule", [*every_schedule(), Linear(steps=300), Linear(steps=300, scale_to_steps=False), Cosine(steps=50)], ids=repr
)


@EACH
def test_log_snr_falls_strictly_from_data_to_noise(schedule):
    logsnr = schedule.logsnr(torch.linspace(0.0, 1.0, 3001, dtype=torch.float64))
    assert math.isinf(logsnr[0].item())
    assert (logsnr.diff() < 0).all()


@EACH
def test_time_inverts_log_snr(schedule):
    t = torch.linspace(0.0, 1.0, 1001, dtype=torch.float64)
    torch.testing.assert_close(schedule.time(schedule.logsnr(t)), t, rtol=0, atol=1e-9)


@EACH
def test_there_is_no_noise_at_the_data(schedule):
    assert schedule.at(0.0) == (1.0, 0.0)


@EACH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_and_shape_are_kept(schedule, dtype):
    t = torch.rand(2, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    alpha, sigma = schedule.alpha_sigma(t)
    assert alpha.shape == sigma.shape == (2, 3)
    assert alpha.dtype == sigma.dtype == schedule.time(schedule.logsnr(t)).dtype == dtype


@pytest.mark.parametrize("steps", [300, 1000])
def test_linear_is_the_cumulative_product_of_the_papers_betas(steps):
    beta = torch.linspace(1e-4, 0.02, steps, dtype=torch.float64) * 1000 / steps
    alpha_bar = torch.cumprod(1 - beta, 0)
    alpha, sigma = Linear(steps=steps).alpha_sigma(torch.arange(1, steps + 1, dtype=torch.float64) / steps)
    torch.testing.assert_close(alpha.square(), alpha_bar, rtol=1e-11, atol=0)
    torch.testing.assert_close(sigma.square(), 1 - alpha_bar, rtol=1e-9, atol=0)


def test_unscaled_betas_over_300_steps_leave_a_fifth_of_the_image_and_scaled_ones_nothing():
    unscaled, scaled = Linear(steps=300, scale_to_steps=False).at(1.0)[0], Linear(steps=300).at(1.0)[0]
    assert unscaled**2 == pytest.approx(0.048, abs=0.001)
    assert scaled**2 == pytest.approx(3.4e-5, rel=0.05)
    assert Linear(steps=1000).at(1.0)[0] ** 2 == pytest.approx(4.04e-5, rel=0.01)  # the 1000 steps of Ho et al.


def test_cosine_is_the_papers_squared_cosine():
    # Nichol & Dhariwal 2021, equation 17; betas are clipped at 0.999, which matters only at the very end.
    t = torch.arange(0, 990, dtype=torch.float64) / 1000
    f = torch.cos((t + 0.008) / 1.008 * math.pi / 2).square()
    torch.testing.assert_close(Cosine().alpha_sigma(t)[0].square(), f / f[0], rtol=1e-10, atol=0)


def test_the_last_beta_of_cosine_is_clipped_where_the_paper_clips_it():
    # Nichol & Dhariwal 2021, section 3.2: beta is at most 0.999.
    before, last = (Cosine().at(t)[0] ** 2 for t in (0.999, 1.0))
    assert 1 - last / before == pytest.approx(0.999, rel=1e-9)


def test_flow_is_a_straight_line():
    t = torch.tensor([0.0, 0.25, 1.0])
    alpha, sigma = Flow().alpha_sigma(t)
    assert alpha.tolist() == [1.0, 0.75, 0.0]
    assert sigma.tolist() == [0.0, 0.25, 1.0]


def test_noise_near_the_data_keeps_its_digits():
    # 1 - alpha_bar in float64 would have lost six of sixteen digits here.
    sigma = Linear(steps=1000, scale_to_steps=False).at(1e-9)[1]
    assert sigma**2 == pytest.approx(-math.expm1(1e-6 * math.log1p(-1e-4)), rel=1e-13)


@pytest.mark.parametrize("settings", [{"beta_start": 0.5, "beta_end": 0.1}, {"steps": 10}])
def test_betas_that_cannot_be_are_refused(settings):
    with pytest.raises(ValueError, match="beta"):
        Linear(**settings)
