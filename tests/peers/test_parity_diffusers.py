"""Our samplers give the results of diffusers on the same grid with the same noise; where they differ, the exact result decides."""

import itertools
import math

import pytest
import torch

pytest.importorskip("diffusers", reason="diffusers is not installed (make peers)")

import diffusers
import matched

from wb_samplers import DDIM, DDPM, DPMpp2M, DPMpp3M, Heun
from wb_schedules import Linear
from workbench.diffusion import TimeGrid, sample
from workbench.testing import Constant, GaussianOracle

pytestmark = pytest.mark.peers

MEAN, STD = 0.3, 0.5
COMPARISONS = matched.diffusers_comparisons()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("comparison", COMPARISONS, ids=lambda pair: f"{pair.sampler} is {pair.peer}")
def test_final_images_are_equal(comparison, dtype):
    assert comparison.difference(dtype) < 2e-5


def test_the_results_of_different_samplers_differ():
    times = [*torch.linspace(1.0, 0.05, 20, dtype=torch.float64).tolist(), 0.0]
    x = matched.start(torch.float64)
    drawn = [matched.ours(sampler, times, x) for sampler in (DDIM(), DPMpp2M(), Heun())]
    assert min((drawn[i] - drawn[j]).abs().max().item() for i, j in [(0, 1), (0, 2), (1, 2)]) > 1e-3


@pytest.mark.parametrize("spacing", ["linspace", "trailing"])
@pytest.mark.parametrize("steps", [300, 600])
def test_their_ddim_misses_its_own_grid_if_steps_do_not_divide_t(spacing, steps):
    """`step` moves T // N rows down regardless of the next time step, so its result belongs to another time: more steps do not help."""
    scheduler = diffusers.DDIMScheduler(timestep_spacing=spacing, clip_sample=False)
    scheduler.set_timesteps(steps)
    rows = scheduler.timesteps.tolist()
    assert any(row - after != 1000 // steps for row, after in itertools.pairwise(rows))

    times = [(row + 1) / 1000 for row in rows]
    oracle, x = GaussianOracle(MEAN, STD, matched.SCHEDULE), matched.start(torch.float64)
    exact = flow_map(oracle, x, times[0])
    mine = matched.ours(DDIM(), [*times, 0.0], x, oracle)
    theirs = matched.in_diffusers(scheduler, times, x, exploding=False, posterior=oracle)
    assert error(mine, exact) < 0.03
    assert error(theirs, exact) > 0.1


def test_their_ddim_is_ours_if_steps_divide_t():
    """The same comparison without the problem: both have the same discretisation error."""
    scheduler = diffusers.DDIMScheduler(timestep_spacing="trailing", clip_sample=False)
    scheduler.set_timesteps(50)
    times = [(row + 1) / 1000 for row in scheduler.timesteps.tolist()]
    oracle, x = GaussianOracle(MEAN, STD, matched.SCHEDULE), matched.start(torch.float64)
    exact = flow_map(oracle, x, times[0])
    mine = matched.ours(DDIM(), [*times, 0.0], x, oracle)
    theirs = matched.in_diffusers(scheduler, times, x, exploding=False, posterior=oracle)
    assert error(theirs, exact) == pytest.approx(error(mine, exact), rel=1e-3)


def test_their_third_order_solver_lowers_its_order_in_the_last_but_one_move():
    """With fewer than 15 steps: the same 14 sigmas give a different result with `lower_order_final` off."""
    results = []
    for lower in (True, False):
        scheduler = diffusers.DPMSolverMultistepScheduler(solver_order=3, lower_order_final=lower, timestep_spacing="trailing")
        scheduler.set_timesteps(14)
        times = matched.times_of(scheduler.sigmas)
        results.append(matched.in_diffusers(scheduler, times[:-1], matched.start(torch.float64), exploding=False))
    assert (results[0] - results[1]).abs().max() > 1e-4


def test_their_third_order_solver_is_of_second_order_and_ours_of_third():
    """Their D2 has half its weight, and their first move is of first order; the error of ours falls by 8 if the steps double."""
    oracle = GaussianOracle(MEAN, STD, Linear(steps=1000))
    x = matched.start(torch.float64)
    theirs, mine = [], []
    for steps in (16, 32, 64):
        sigmas = torch.logspace(
            1.0, -1.0, steps + 1, dtype=torch.float64
        )  # not near the ends, where all solvers have the order they claim
        times = matched.times_of(sigmas)
        exact = flow_map(oracle, x, times[0], times[-1])
        scheduler = diffusers.DPMSolverMultistepScheduler(solver_order=3, lower_order_final=False, final_sigmas_type="sigma_min")
        scheduler.set_timesteps(steps)
        scheduler.sigmas = sigmas
        theirs.append(error(matched.in_diffusers(scheduler, times[:-1], x, exploding=False, posterior=oracle), exact))
        mine.append(error(sample(oracle, DPMpp3M(), TimeGrid.of(times), images=matched.IMAGES, shape=matched.SHAPE, seed=0, dtype=x.dtype, start=x), exact))  # fmt: skip
    assert math.log2(theirs[0] / theirs[2]) / 2 < 2.5
    assert math.log2(mine[0] / mine[2]) / 2 > 2.7


def test_their_ddpm_with_large_variance_adds_noise_to_its_last_move():
    """With 20 of 1000 steps the last one starts at row 49: the result, which should be the posterior mean, gets noise of variance beta; ours gets none."""
    scheduler = diffusers.DDPMScheduler(variance_type="fixed_large", timestep_spacing="trailing", clip_sample=False)
    scheduler.set_timesteps(20)
    x, x0 = matched.start(torch.float64), torch.full((), 0.25, dtype=torch.float64)
    last = scheduler.timesteps[-1]
    _, sigma = matched.SCHEDULE.at((int(last) + 1) / 1000)
    theirs = matched.with_our_noise(scheduler, {})
    scheduler.timesteps = scheduler.timesteps[-1:]
    moved = theirs([(int(last) + 1) / 1000], x, exploding=False, posterior=Constant(x0, matched.SCHEDULE))
    mine = matched.ours(DDPM(variance="beta"), [(int(last) + 1) / 1000, 0.0], x, Constant(x0, matched.SCHEDULE))
    assert (mine - x0).abs().max() < 1e-12
    assert (moved - x0).std().item() == pytest.approx(sigma, rel=0.1)
    assert sigma > 0.15


def flow_map(oracle, x, t, s=0.0):
    """x_s of the probability flow through x_t = x for N(mean, std^2) data, exactly: both have the same distance from their mean in standard deviations."""
    alpha_t, sigma_t = oracle.schedule.at(t)
    alpha_s, sigma_s = oracle.schedule.at(s)
    std_t, std_s = (math.hypot(alpha * oracle.std, sigma) for alpha, sigma in ((alpha_t, sigma_t), (alpha_s, sigma_s)))
    return alpha_s * oracle.mean + std_s / std_t * (x - alpha_t * oracle.mean)


def error(drawn, exact):
    return (drawn - exact).abs().max().item()
