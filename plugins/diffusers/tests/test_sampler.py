"""Bridged schedulers as samplers."""

import math

import pytest
import torch

pytest.importorskip("wb_diffusers", reason="diffusion-workbench-diffusers is not installed (make peers)")

from wb_diffusers.catalogue import BRIDGED
from wb_diffusers.noise import Brownian
from wb_diffusers.sampler import DiffusersSampler
from wb_schedules import Cosine, Flow, Linear
from workbench.diffusion import Counted, TimeGrid, sample
from workbench.random import KeyedNoise, Stream
from workbench.testing import GaussianOracle

pytestmark = pytest.mark.peers


def evaluations_of(scheduler, moves):
    """Two per move except the last for schedulers that evaluate twice; PNDM does so once, in its first move."""
    if scheduler == "PNDMScheduler":
        return moves + 1
    twice = BRIDGED[scheduler].family == "two_stage" or scheduler == "FlowMatchHeunDiscreteScheduler"
    return 2 * moves - 1 if twice else moves


@pytest.mark.parametrize("schedule", [Linear(), Cosine(), Flow()], ids=repr)
@pytest.mark.parametrize("name", BRIDGED)
def test_every_bridged_scheduler_samples_from_noise_to_data(name, schedule):
    posterior, sampler = Counted(GaussianOracle(0.3, 0.5, schedule)), DiffusersSampler(scheduler=name)
    global_state = torch.random.get_rng_state()

    drawn = sample(posterior, sampler, TimeGrid.uniform(12), images=2, shape=(3, 2, 2), seed=0)

    assert torch.isfinite(drawn).all()
    assert posterior.nfe == evaluations_of(name, 12)
    assert torch.equal(torch.random.get_rng_state(), global_state)


@pytest.mark.filterwarnings("ignore:.*dpmsolver.*deprecated:FutureWarning")
@pytest.mark.parametrize("schedule", [Linear(), Flow()], ids=repr)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("DDIMScheduler", {"eta": 1.0}),
        ("DEISMultistepScheduler", {"solver_order": 3}),
        ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver"}),
        ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
        ("DPMSolverSinglestepScheduler", {"solver_order": 3}),
        ("EDMDPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
        ("LMSDiscreteScheduler", {"order": 2}),
        ("SASolverScheduler", {"algorithm_type": "noise_prediction"}),
        ("UniPCMultistepScheduler", {"predict_x0": False}),
        ("UniPCMultistepScheduler", {"solver_order": 3, "solver_type": "bh1"}),
    ],
)
def test_options_reach_the_scheduler_and_gaussian_data_keep_their_moments(name, options, schedule):
    sampler = DiffusersSampler(scheduler=name, options=options)
    drawn = sample(
        GaussianOracle(0.3, 0.5, schedule), sampler, TimeGrid.uniform(80), images=5000, shape=(1,), seed=0, dtype=torch.float64
    )
    # Monte-Carlo error 0.007 and 0.005; the rest is the error of 80 steps.
    assert drawn.mean().item() == pytest.approx(0.3, abs=0.04)
    assert drawn.std().item() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("name", BRIDGED)
def test_a_state_can_be_used_twice(name):
    posterior, sampler = GaussianOracle(0.3, 0.5, Linear()), DiffusersSampler(scheduler=name)
    x = torch.linspace(-2, 2, 12).reshape(2, 6)
    state = None
    for t, s in [(1.0, 0.8), (0.8, 0.6), (0.6, 0.5)]:
        first, after = sampler.step(posterior, x, t, s, state=state, noise=noise())
        again, _ = sampler.step(posterior, x, t, s, state=state, noise=noise())
        assert torch.equal(first, again)
        x, state = first, after


@pytest.mark.parametrize("name", [name for name, bridged in BRIDGED.items() if bridged.order])
def test_schedulers_without_noise_converge_to_the_exact_flow(name):
    oracle = GaussianOracle(0.3, 0.5, Linear())
    x = torch.linspace(-2, 2, 12, dtype=torch.float64).reshape(2, 6)
    alpha, sigma = oracle.schedule.at(1.0)
    exact = 0.3 + 0.5 / math.hypot(alpha * 0.5, sigma) * (x - alpha * 0.3)

    def error(steps):
        sampler = DiffusersSampler(scheduler=name)
        drawn = sample(oracle, sampler, TimeGrid.uniform(steps), images=2, shape=(6,), seed=0, dtype=x.dtype, start=x)
        return (drawn - exact).abs().max().item()

    assert error(64) < min(0.05, 0.5 * error(16))


def test_brownian_increments_from_the_same_start_overlap():
    x = torch.zeros(20_000, 1, dtype=torch.float64)
    brownian = Brownian(KeyedNoise(Stream(0, "sample"), 1, torch.arange(len(x))), x)
    half, whole = brownian(4.0, 3.0), brownian(4.0, 2.0)
    # Each is a standard normal; the first half contributes half of the variance of the whole. Monte-Carlo error 0.007.
    assert half.std().item() == pytest.approx(1.0, abs=0.03)
    assert whole.std().item() == pytest.approx(1.0, abs=0.03)
    assert (half * whole).mean().item() == pytest.approx(0.5**0.5, abs=0.03)


def test_their_random_numbers_are_restored_after_an_error():
    from diffusers.schedulers import scheduling_ddpm

    theirs = scheduling_ddpm.randn_tensor
    broken = torch.zeros(2, 6)
    sampler = DiffusersSampler(scheduler="DDPMScheduler")
    with pytest.raises(ZeroDivisionError):
        sampler.step(GaussianOracle(0.3, 0.5, Linear()), broken, 1.0, 0.5, state=None, noise=Broken())
    assert scheduling_ddpm.randn_tensor is theirs


class Broken:
    """A noise source that cannot draw."""

    def normal(self, x):
        raise ZeroDivisionError


def noise():
    return KeyedNoise(Stream(0, "sample"), 1, torch.arange(2))
