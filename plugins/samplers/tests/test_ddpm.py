"""Ancestral sampling against the paper."""

import pytest
import torch

from wb_samplers import DDIM, DDPM
from wb_schedules import Linear
from workbench.testing import Constant, ForbiddenNoise


class Ones:
    """Noise of ones: a step then adds its standard deviation."""

    def normal(self, x):
        return torch.ones_like(x)


@pytest.mark.parametrize("steps", [300, 1000])
@pytest.mark.parametrize("variance", ["beta_tilde", "beta"])
def test_every_step_has_the_mean_and_variance_of_ho_et_al(steps, variance):
    beta = torch.linspace(1e-4, 0.02, steps, dtype=torch.float64) * 1000 / steps
    alpha_bar = torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod(1 - beta, 0)])
    schedule, sampler = Linear(steps=steps), DDPM(variance=variance)
    x_t, x0 = torch.tensor([1.3], dtype=torch.float64), torch.tensor([-0.4], dtype=torch.float64)
    posterior = Constant(x0, schedule)

    for i in range(1, steps + 1):
        t, s = i / steps, (i - 1) / steps
        mean, _ = sampler.step(posterior, x_t, t, s, state=None, noise=ForbiddenNoise())
        moved, _ = sampler.step(posterior, x_t, t, s, state=None, noise=Ones())

        # Ho, Jain & Abbeel 2020, equations 6 and 7; algorithm 2 adds no noise at the last step.
        expected = alpha_bar[i - 1].sqrt() * beta[i - 1] / (1 - alpha_bar[i]) * x0
        expected = expected + (1 - beta[i - 1]).sqrt() * (1 - alpha_bar[i - 1]) / (1 - alpha_bar[i]) * x_t
        beta_tilde = (1 - alpha_bar[i - 1]) / (1 - alpha_bar[i]) * beta[i - 1]
        variance_i = 0.0 if i == 1 else (beta_tilde if variance == "beta_tilde" else beta[i - 1]).item()
        torch.testing.assert_close(mean, expected, rtol=1e-10, atol=1e-10)
        assert ((moved - mean) ** 2).item() == pytest.approx(variance_i, rel=1e-10, abs=1e-10)


def test_ddim_with_eta_one_equals_ancestral_sampling():
    schedule, x = Linear(steps=300), torch.linspace(-2, 2, 5, dtype=torch.float64)
    posterior = Constant(torch.tensor(0.3, dtype=torch.float64), schedule)
    for t, s in [(1.0, 0.9), (0.5, 0.2), (0.01, 0.0)]:
        for noise in (ForbiddenNoise(), Ones()):
            ancestral, _ = DDPM().step(posterior, x, t, s, state=None, noise=noise)
            implicit, _ = DDIM(eta=1.0).step(posterior, x, t, s, state=None, noise=noise)
            torch.testing.assert_close(ancestral, implicit, rtol=1e-9, atol=1e-12)


def test_a_step_does_not_change_its_input_and_keeps_its_dtype():
    schedule = Linear(steps=300)
    for sampler in (DDPM(), DDIM(eta=0.5)):
        for dtype in (torch.float32, torch.float64):
            x = torch.linspace(-1, 1, 4, dtype=dtype)
            before = x.clone()
            moved, _ = sampler.step(
                Constant(torch.tensor(0.0, dtype=dtype), schedule), x, 0.8, 0.4, state=None, noise=ForbiddenNoise()
            )
            assert torch.equal(x, before)
            assert moved.dtype == dtype
