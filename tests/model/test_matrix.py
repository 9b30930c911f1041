"""Every registered combination trains a step and samples three."""

import pytest
import torch

from workbench.diffusion import PARAMETERIZATIONS, NetworkPosterior, Objective, TimeGrid, check_combination, sample
from workbench.interfaces import CombinationError, SampleSpec
from workbench.registry import installed, load
from workbench.testing import every_sampler, every_schedule

SPEC = SampleSpec(3, 8, 8, classes=("a", "b"))
# Small settings for networks that are large by default; other networks are built with their defaults.
SMALL = {
    "unet": {"channels": 8, "multipliers": (1, 2), "blocks": 1, "attention": (4,)},
    "diffusers_unet": {
        "block_out_channels": (8,),
        "down_block_types": ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",),
        "norm_num_groups": 4,
    },
    "dit": {"width": 16, "depth": 1, "heads": 2},
    "small_cnn": {"channels": 8, "depth": 2},
}


@pytest.mark.parametrize("schedule", every_schedule(), ids=repr)
@pytest.mark.parametrize("denoiser", [entry.name for entry in installed("denoisers")])
@pytest.mark.parametrize("name", PARAMETERIZATIONS)
def test_every_combination_trains_one_step_and_samples_three(schedule, denoiser, name):
    parameterization = PARAMETERIZATIONS[name]
    try:
        check_combination(parameterization, schedule, "this")
    except CombinationError as error:
        assert name == "eps"  # the one illegal cell
        assert schedule.at(1.0)[0] == 0.0
        assert error.key == "parameterization"
        return
    torch.manual_seed(0)
    network = load("denoisers", denoiser)(**SMALL.get(denoiser, {})).build(SPEC)
    objective = Objective(schedule, parameterization, "grid" if schedule.grid() else "uniform")
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    x0, eps = torch.rand(4, *SPEC.shape) * 2 - 1, torch.randn(4, *SPEC.shape)
    t = objective.draw_times(torch.tensor([0.01, 0.4, 0.7, 0.99], dtype=torch.float64))

    before = objective.loss(network, x0, eps, t, torch.tensor([0, 1, -1, 1]))
    before.mean().backward()
    optimizer.step()
    after = objective.loss(network, x0, eps, t, torch.tensor([0, 1, -1, 1]))
    assert torch.isfinite(before).all()
    assert after.mean() < before.mean()

    posterior = NetworkPosterior(network.eval(), schedule, parameterization)
    for sampler in every_sampler():
        drawn = sample(posterior, sampler, TimeGrid.uniform(3), images=3, shape=SPEC.shape, seed=0)
        assert drawn.shape == (3, *SPEC.shape)
        assert torch.isfinite(drawn).all()
