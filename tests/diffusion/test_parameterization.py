"""The regression target of the network."""

import pytest
import torch

from workbench.diffusion import PARAMETERIZATIONS, check_combination
from workbench.interfaces import CombinationError
from workbench.testing import every_schedule

TIMES = torch.tensor([0.01, 0.3, 0.5, 0.9, 0.99], dtype=torch.float64)
EVERY_PARAMETERIZATION = pytest.mark.parametrize("parameterization", PARAMETERIZATIONS.values(), ids=PARAMETERIZATIONS)


@EVERY_PARAMETERIZATION
@pytest.mark.parametrize("schedule", every_schedule())
def test_the_target_determines_the_data(parameterization, schedule):
    alpha, sigma = schedule.alpha_sigma(TIMES)
    x0, eps = torch.tensor(0.37, dtype=torch.float64), torch.tensor(-1.2, dtype=torch.float64)
    target = parameterization.target(x0, eps, alpha, sigma)
    recovered = parameterization.x0(alpha * x0 + sigma * eps, target, alpha, sigma)
    torch.testing.assert_close(recovered, x0.expand_as(recovered), rtol=1e-9, atol=1e-9)


def test_v_has_unit_variance_on_a_variance_preserving_path():
    # Salimans & Ho 2022, appendix D: v = alpha eps - sigma x0, so alpha^2 + sigma^2 = 1 for data of unit variance.
    alpha, sigma = torch.tensor(0.6), torch.tensor(0.8)
    assert PARAMETERIZATIONS["v"].target(torch.tensor(1.0), torch.tensor(0.0), alpha, sigma) == -sigma
    assert PARAMETERIZATIONS["v"].target(torch.tensor(0.0), torch.tensor(1.0), alpha, sigma) == alpha


def test_edm_is_the_preconditioning_of_karras_et_al():
    # Karras et al. 2022, table 1, for alpha = 1: D = c_skip x + c_out F(c_in x).
    sigma, sd = torch.tensor([0.002, 0.5, 3.0, 80.0], dtype=torch.float64), 0.5
    edm, alpha = PARAMETERIZATIONS["edm"], torch.ones(4, dtype=torch.float64)
    x, f = torch.tensor(0.8, dtype=torch.float64), torch.tensor(-0.3, dtype=torch.float64)
    c_skip = sd**2 / (sigma**2 + sd**2)
    c_out = sigma * sd / (sigma**2 + sd**2).sqrt()
    torch.testing.assert_close(edm.x0(x, f, alpha, sigma), c_skip * x + c_out * f)
    torch.testing.assert_close(edm.input_scale(alpha, sigma), 1 / (sigma**2 + sd**2).sqrt())


@EVERY_PARAMETERIZATION
@pytest.mark.parametrize("schedule", every_schedule())
def test_only_noise_prediction_with_alpha_zero_is_refused(parameterization, schedule):
    alpha, _ = schedule.at(1.0)
    if alpha == 0.0 and parameterization.name == "eps":
        with pytest.raises(CombinationError, match=r"alpha = 0.*eps does not determine it. Use 'x0'") as caught:
            check_combination(parameterization, schedule, "flow")
        assert caught.value.key == "parameterization"
    else:
        check_combination(parameterization, schedule, "any")
