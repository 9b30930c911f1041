"""A bridged scheduler gives the result of diffusers' own loop, to float32."""

import itertools
import math
import sys

import pytest
import torch

pytest.importorskip("wb_diffusers", reason="diffusion-workbench-diffusers is not installed (make peers)")

import diffusers

from wb_diffusers.catalogue import BRIDGED
from wb_diffusers.sampler import DiffusersSampler
from wb_schedules import EDM, Cosine, Flow, Linear
from workbench.diffusion import TimeGrid, sample
from workbench.random import KeyedNoise, Stream
from workbench.testing import GaussianOracle, QuarterCircle

pytestmark = pytest.mark.peers

STEPS = 20
SCHEDULE = Linear(steps=1000)
BETAS = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
SHAPE = (2, 4, 4)

# Settings of their loop whose grid can be written as a path: (constructor's arguments, options of the bridge).
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
STRAIGHT = (
    "FlowMatchEulerDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "LTXEulerAncestralRFScheduler",
    "MiniMaxH3Scheduler",
)
PRECONDITIONED = ("CosineDPMSolverMultistepScheduler", "EDMDPMSolverMultistepScheduler", "EDMEulerScheduler")
EXPLODING = ("DPMSolverSDE", "Euler", "Heun", "KDPM2", "LMS")


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
    evaluated = sigmas.clone()
    if hasattr(scheduler, "sigmas_interpol"):  # every second call is between two sigmas
        first = 0 if hasattr(scheduler, "sigmas_down") else 1
        evaluated[1::2] = scheduler.sigmas_interpol[first : first + len(sigmas) - 1 : 2].double()
    calls, grid = (SCHEDULE.time(-2.0 * levels.log()).tolist() for levels in (evaluated, sigmas))
    last = scheduler.sigmas[-1].double()  # some end at a small sigma
    end = SCHEDULE.time(-2.0 * last.log()).item() if last > 0 else 0.0
    assert_same(name, scheduler, [*dict.fromkeys(grid), end], calls, options)


@pytest.mark.parametrize("name", STRAIGHT)
def test_on_straight_paths(name):
    flow = Flow()
    scheduler = getattr(diffusers, name)()
    if name.startswith("LTX"):
        scheduler.set_timesteps(sigmas=[(STEPS - i) / STEPS for i in range(STEPS)] + [0.0])
    else:
        scheduler.set_timesteps(STEPS)
    towards = -1.0 if name.startswith("MiniMax") else 1.0  # its velocity points to the data
    sigmas = scheduler.sigmas.double().tolist()
    times = [*dict.fromkeys(sigmas), 0.0] if sigmas[-1] > 0 else list(dict.fromkeys(sigmas))
    calls = sigmas[: len(scheduler.timesteps)]
    oracle = GaussianOracle(0.3, 0.5, flow)
    x = noise(0)

    bridged = run_bridge(name, oracle, times, x, {})
    y = x
    with our_noise(scheduler):
        for u, timestep in zip(calls, scheduler.timesteps, strict=True):
            y = scheduler.step(towards * (y - oracle(y, u)) / u, timestep, y, return_dict=False)[0]
    torch.testing.assert_close(bridged, y, rtol=0, atol=5e-5)


@pytest.mark.parametrize("name", PRECONDITIONED)
def test_on_exploding_noise_with_a_preconditioned_network(name):
    scheduler = getattr(diffusers, name)()
    scheduler.set_timesteps(STEPS)
    sigmas = scheduler.sigmas.double().tolist()
    schedule = EDM(sigma_max=sigmas[0])
    times = [1.0, *(float(schedule.time(torch.tensor(-2.0 * math.log(sigma)).double())) for sigma in sigmas[1:-1]), 0.0]
    oracle, data = GaussianOracle(0.3, 0.5, schedule), scheduler.config.sigma_data
    sign = -1.0 if scheduler.config.prediction_type == "v_prediction" else 1.0
    x = sigmas[0] * noise(0)

    bridged = run_bridge(name, oracle, times, x, {})
    y = x
    # The cosine solver takes its noise from here, by steps of sigma; the others do not use it.
    scheduler.noise_sampler = Increments()
    for t, sigma, timestep in zip(times, sigmas, scheduler.timesteps, strict=False):
        scheduler.scale_model_input(y, timestep)
        c_skip, c_out = data**2 / (sigma**2 + data**2), sign * sigma * data / (sigma**2 + data**2) ** 0.5
        y = scheduler.step((oracle(y, t) - c_skip * y) / c_out, timestep, y, return_dict=False)[0]
    # They store x in float32; it starts at 80 and at 500.
    torch.testing.assert_close(bridged, y, rtol=0, atol=5e-5)


def test_the_stochastic_solver_of_two_stages_on_the_same_brownian_path():
    # Its path comes from torchsde's tree and a seed; the source of its increments can be replaced.
    name = "DPMSolverSDEScheduler"
    scheduler = diffusers.DPMSolverSDEScheduler(**BETAS, timestep_spacing="trailing")
    scheduler.set_timesteps(STEPS)
    grid = [*scheduler.sigmas[:1], *scheduler.sigmas[1:-1:2]]  # all except the first and the last occur twice
    evaluated = [level for pair in itertools.pairwise(grid) for level in (pair[0], (pair[0] * pair[1]).sqrt())] + grid[-1:]
    calls, times = (SCHEDULE.time(-2.0 * torch.stack(levels).double().log()).tolist() for levels in (evaluated, grid))
    scheduler.noise_sampler = Increments()
    assert_same(name, scheduler, [*times, 0.0], calls, {})


def test_the_scheduler_of_unclip_on_its_own_table():
    # It supports one table only, cosine, and gets the next time from its pipeline.
    scheduler = diffusers.UnCLIPScheduler(clip_sample=False, prediction_type="sample")
    scheduler.set_timesteps(STEPS)
    rows = scheduler.timesteps.tolist()
    schedule = Cosine(steps=1000)
    alpha, _ = schedule.alpha_sigma(torch.arange(1001, dtype=torch.float64) / 1000)
    betas = 1.0 - (alpha[1:] / alpha[:-1]).square()
    torch.testing.assert_close(scheduler.betas, betas.float(), rtol=1e-5, atol=0)
    # In float32, 1 - alpha_bar has three digits at row 0, by which its last step divides; so it gets the same table in float64.
    scheduler.betas = betas
    scheduler.alphas = 1.0 - scheduler.betas
    scheduler.alphas_cumprod = scheduler.alphas.cumprod(0)
    oracle, x = GaussianOracle(0.3, 0.5, schedule), noise(0)

    bridged = run_bridge("UnCLIPScheduler", oracle, [*((row + 1) / 1000 for row in rows), 0.0], x, {})
    y = x
    with our_noise(scheduler):
        for row, before in zip(rows, [*rows[1:], None], strict=True):
            x0 = oracle(y, (row + 1) / 1000)
            y = scheduler.step(x0, row, y, prev_timestep=before, return_dict=False)[0]
    torch.testing.assert_close(bridged, y, rtol=0, atol=2e-5)


def test_the_scheduler_of_angles_on_its_own_grid():
    scheduler = diffusers.IPNDMScheduler()
    scheduler.set_timesteps(STEPS)
    # Its first time is pure noise, alpha = 0, where it ignores the network; the bridge starts at sigma / alpha = 4096 and does not.
    scheduler.set_begin_index(1)
    coefficients = list(zip(scheduler.alphas[1:-1].double(), scheduler.betas[1:-1].double(), strict=True))
    schedule = QuarterCircle()
    times = [float(schedule.time(2.0 * (alpha / sigma).log())) for alpha, sigma in coefficients]
    oracle, x = GaussianOracle(0.3, 0.5, schedule), noise(0)

    bridged = run_bridge("IPNDMScheduler", oracle, [*times, 0.0], x, {})
    y = x
    for t, (alpha, sigma), timestep in zip(times, coefficients, scheduler.timesteps[1:], strict=True):
        x0 = oracle(y, t)
        eps = (y - alpha * x0) / sigma
        y = scheduler.step((alpha * eps - sigma * x0).float(), timestep, y, return_dict=False)[0]
    torch.testing.assert_close(bridged, y, rtol=0, atol=2e-5)


def test_every_bridged_scheduler_is_compared_with_its_own_loop():
    separate = {"DPMSolverSDEScheduler", "IPNDMScheduler", "UnCLIPScheduler"}
    assert {*TABLE, *SIGMAS, *STRAIGHT, *PRECONDITIONED} | separate == set(BRIDGED)


def assert_same(name, scheduler, times, calls, options):
    oracle, x = GaussianOracle(0.3, 0.5, SCHEDULE), noise(0)
    bridged = run_bridge(name, oracle, times, x, options)

    step = {key: value for key, value in options.items() if key in BRIDGED[name].step_options}
    y = x / SCHEDULE.at(times[0])[0] if name.startswith(EXPLODING) else x
    with our_noise(scheduler):
        for t, timestep in zip(calls, scheduler.timesteps, strict=True):
            alpha, sigma = SCHEDULE.at(t)
            x_t = scheduler.scale_model_input(y, timestep)
            eps = (x_t - alpha * oracle(x_t, t)) / sigma
            y = scheduler.step(eps, timestep, y, return_dict=False, **step)[0]
    assert math.isfinite(y.sum().item())
    torch.testing.assert_close(bridged, y, rtol=0, atol=2e-5)


def run_bridge(name, oracle, times, x, options):
    sampler = DiffusersSampler(scheduler=name, options=options)
    return sample(oracle, sampler, TimeGrid.of(times), images=len(x), shape=SHAPE, seed=0, dtype=x.dtype, start=x)


def noise(step):
    return KeyedNoise(Stream(0, "sample"), step, torch.arange(3)).normal(torch.empty(3, *SHAPE))


class our_noise:  # noqa: N801 - a context manager
    """Makes their module draw the noise of step 1, then of step 2, as our loop does."""

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


class Increments:
    """Increments of a Brownian path from the start of each step, divided by the root of their length; step k uses the noise of step k."""

    def __init__(self):
        self.start, self.step = None, 0

    def __call__(self, sigma, sigma_next):
        if sigma != self.start:  # the first evaluation of a step
            self.start, self.step, self.length = sigma, self.step + 1, float(sigma - sigma_next)
            self.source = KeyedNoise(Stream(0, "sample"), self.step, torch.arange(3))
            self.first = self.source.normal(torch.empty(3, *SHAPE))
            return self.first
        whole = float(sigma - sigma_next)
        walked = self.length**0.5 * self.first + (whole - self.length) ** 0.5 * self.source.normal(torch.empty(3, *SHAPE))
        return walked / whole**0.5
