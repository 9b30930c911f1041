"""DDIM against exact moments and against the paper."""

import pytest
import torch

from wb_samplers import DDIM
from wb_schedules import Linear
from workbench.diffusion import TimeGrid, sample
from workbench.testing import Constant, ForbiddenNoise, GaussianOracle, every_schedule

MEAN, STD = 0.7, 0.5


@pytest.mark.parametrize("schedule", every_schedule())
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_reaches_the_exact_moments_of_gaussian_data(schedule, eta):
    posterior = GaussianOracle(mean=MEAN, std=STD, schedule=schedule)

    drawn = sample(posterior, DDIM(eta=eta), TimeGrid.uniform(200), images=20_000, shape=(1,), seed=0, dtype=torch.float64)

    # Discretisation error at 200 steps is below 0.02 on every schedule; the Monte-Carlo error of 20,000 draws is 0.0035.
    assert drawn.mean().item() == pytest.approx(MEAN, abs=0.03)
    assert drawn.std().item() == pytest.approx(STD, abs=0.03)


def test_ddim_with_eta_one_has_the_mean_of_ho_et_al_at_every_step():
    beta = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    alpha_bar = torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod(1 - beta, 0)])
    schedule = Linear(steps=1000, scale_to_steps=False)
    x_t, x0 = torch.tensor([1.3], dtype=torch.float64), torch.tensor([-0.4], dtype=torch.float64)

    for i in range(1, 1001):
        x_s, _ = DDIM(eta=1.0).step(Constant(x0, schedule), x_t, i / 1000, (i - 1) / 1000, state=None, noise=ForbiddenNoise())

        # Ho, Jain & Abbeel 2020, equation 7.
        weight_x0 = alpha_bar[i - 1].sqrt() * beta[i - 1] / (1 - alpha_bar[i])
        weight_xt = (1 - beta[i - 1]).sqrt() * (1 - alpha_bar[i - 1]) / (1 - alpha_bar[i])
        torch.testing.assert_close(x_s, weight_x0 * x0 + weight_xt * x_t, rtol=1e-10, atol=0)
