"""A bridged scheduler gives what diffusers' own loop gives, to float32: nothing is lost or added on the way."""

import math
import sys

import pytest
import torch

pytest.importorskip("wb_diffusers", reason="diffusion-workbench-diffusers is not installed (make peers)")

import diffusers

from wb_diffusers.catalogue import BRIDGED
from wb_diffusers.sampler import DiffusersSampler
from wb_schedules import Flow, Linear
from workbench.diffusion import Path, sample
from workbench.random import KeyedNoise, Stream
from workbench.testing import GaussianOracle

pytestmark = pytest.mark.peers

STEPS = 20
SCHEDULE = Linear(steps=1000)
BETAS = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
SHAPE = (2, 4, 4)

# How their own loop is set up so that its grid is one a path can be: (constructor's arguments, options of the bridge).
TABLE = {
    "CogVideoXDDIMScheduler": ({"timestep_spacing": "trailing", "snr_shift_scale": 1.0}, {}),
    "DDIMParallelScheduler": ({"timestep_spacing": "trailing", "clip_sample": False}, {}),
    "DDIMScheduler": ({"timestep_spacing": "trailing", "clip_sample": False}, {}),
    "DDPMParallelScheduler": ({"timestep_spacing": "trailing", "clip_sample": False}, {}),
    "DDPMScheduler": ({"timestep_spacing": "trailing", "clip_sample": False}, {}),
    "PNDMScheduler": ({"timestep_spacing": "trailing", "skip_prk_steps": True, "set_alpha_to_one": True}, {}),
}
SIGMAS = {
    "DEISMultistepScheduler": ({"timestep_spacing": "trailing"}, {}),
    "DPMSolverMultistepScheduler": ({"solver_order": 3}, {"solver_order": 3}),
    "DPMSolverSinglestepScheduler": ({}, {}),
    "EulerAncestralDiscreteScheduler": ({"timestep_spacing": "trailing"}, {}),
    "EulerDiscreteScheduler": ({"timestep_spacing": "trailing"}, {}),
    "HeunDiscreteScheduler": ({"timestep_spacing": "trailing"}, {}),
    "KDPM2AncestralDiscreteScheduler": ({"timestep_spacing": "trailing"}, {}),
    "KDPM2DiscreteScheduler": ({"timestep_spacing": "trailing"}, {}),
    "LMSDiscreteScheduler": ({"timestep_spacing": "trailing"}, {"order": 3}),
    "SASolverScheduler": ({"timestep_spacing": "trailing", "lower_order_final": False}, {"lower_order_final": False}),
    "UniPCMultistepScheduler": ({"timestep_spacing": "trailing", "final_sigmas_type": "zero"}, {}),
}
EXPLODING = ("Euler", "Heun", "KDPM2", "LMS")


@pytest.mark.parametrize("name", TABLE)
def test_on_a_table(name):
    arguments, options = TABLE[name]
    scheduler = getattr(diffusers, name)(**BETAS, **arguments)
    scheduler.set_timesteps(STEPS)
    rows = list(dict.fromkeys(scheduler.timesteps.tolist()))
    calls = [(row + 1) / 1000 for row in scheduler.timesteps.tolist()]
    assert_same(name, scheduler, [(row + 1) / 1000 for row in rows] + [0.0], calls, options)


@pytest.mark.parametrize("name", SIGMAS)
def test_on_a_list_of_sigmas(name):
    arguments, options = SIGMAS[name]
    scheduler = getattr(diffusers, name)(**BETAS, **arguments)
    scheduler.set_timesteps(STEPS)
    sigmas = scheduler.sigmas[: len(scheduler.timesteps)].double()
    looked_at = sigmas.clone()
    if hasattr(scheduler, "sigmas_interpol"):  # every second call is between two sigmas
        first = 0 if hasattr(scheduler, "sigmas_down") else 1
        looked_at[1::2] = scheduler.sigmas_interpol[first : first + len(sigmas) - 1 : 2].double()
    calls, grid = (SCHEDULE.time(-2.0 * levels.log()).tolist() for levels in (looked_at, sigmas))
    last = scheduler.sigmas[-1].double()  # some end at a small sigma
    end = SCHEDULE.time(-2.0 * last.log()).item() if last > 0 else 0.0
    assert_same(name, scheduler, [*dict.fromkeys(grid), end], calls, options)


@pytest.mark.parametrize(
    "name", ["FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler", "LTXEulerAncestralRFScheduler"]
)
def test_on_straight_lines(name):
    flow = Flow()
    scheduler = getattr(diffusers, name)()
    if name.startswith("LTX"):
        scheduler.set_timesteps(sigmas=[(STEPS - i) / STEPS for i in range(STEPS)] + [0.0])
    else:
        scheduler.set_timesteps(STEPS)
    sigmas = scheduler.sigmas.double().tolist()
    times = [*dict.fromkeys(sigmas), 0.0] if sigmas[-1] > 0 else list(dict.fromkeys(sigmas))
    calls = sigmas[: len(scheduler.timesteps)]
    oracle = GaussianOracle(0.3, 0.5, flow)
    x = noise(0)

    bridged = run_bridge(name, oracle, times, x, {})
    y = x
    with ours_for_theirs(scheduler):
        for u, timestep in zip(calls, scheduler.timesteps, strict=True):
            y = scheduler.step((y - oracle(y, u)) / u, timestep, y, return_dict=False)[0]
    torch.testing.assert_close(bridged, y, rtol=0, atol=5e-5)


def assert_same(name, scheduler, times, calls, options):
    oracle, x = GaussianOracle(0.3, 0.5, SCHEDULE), noise(0)
    bridged = run_bridge(name, oracle, times, x, options)

    step = {key: value for key, value in options.items() if key in BRIDGED[name].step_options}
    y = x / SCHEDULE.at(times[0])[0] if name.startswith(EXPLODING) else x
    with ours_for_theirs(scheduler):
        for t, timestep in zip(calls, scheduler.timesteps, strict=True):
            alpha, sigma = SCHEDULE.at(t)
            x_t = scheduler.scale_model_input(y, timestep)
            eps = (x_t - alpha * oracle(x_t, t)) / sigma
            y = scheduler.step(eps, timestep, y, return_dict=False, **step)[0]
    assert math.isfinite(y.sum().item())
    torch.testing.assert_close(bridged, y, rtol=0, atol=2e-5)


def run_bridge(name, oracle, times, x, options):
    sampler = DiffusersSampler(scheduler=name, options=options)
    return sample(oracle, sampler, Path.of(times), images=len(x), shape=SHAPE, seed=0, dtype=x.dtype, start=x)


def noise(step):
    return KeyedNoise(Stream(0, "sample"), step, torch.arange(3)).normal(torch.empty(3, *SHAPE))


class ours_for_theirs:  # noqa: N801 - a context manager
    """Their module draws step 1's noise, then step 2's, as our loop does."""

    def __init__(self, scheduler):
        self.module, self.count = sys.modules[type(scheduler).__module__], 0

    def __enter__(self):
        self.theirs = getattr(self.module, "randn_tensor", None)
        self.module.randn_tensor = self.draw

    def __exit__(self, *_):
        self.module.randn_tensor = self.theirs

    def draw(self, shape, **_):
        self.count += 1
        return noise(self.count)
