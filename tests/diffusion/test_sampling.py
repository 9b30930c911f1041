"""Sampling with exact posterior means."""

import pytest
import torch

from wb_samplers import DDIM, DDPM, DPMpp2MSDE, UniPC
from wb_schedules import Cosine, Linear
from workbench.diffusion import (
    PARAMETERIZATIONS,
    Clamped,
    Conditioned,
    Counted,
    Guided,
    NetworkPosterior,
    TimeGrid,
    bisected_time,
    check_combination,
    renoise,
    sample,
    trajectory,
)
from workbench.interfaces import CombinationError
from workbench.random import KeyedNoise, Stream
from workbench.testing import Constant, GaussianOracle, OracleNetwork, every_sampler, every_schedule, reached_moments

MEAN, STD = 0.7, 0.5
SAMPLERS = [*every_sampler(), DDIM(eta=0.5), DDIM(eta=1.0), DDPM(variance="beta"), DPMpp2MSDE(eta=0.5), UniPC(order=3)]
# Samplers use posterior means, for any parameterization: two samplers are enough for the other parameterizations.
PAIRS = [
    *(("v", sampler) for sampler in SAMPLERS),
    *((name, sampler) for name in PARAMETERIZATIONS if name != "v" for sampler in (DDIM(), DDPM())),
]


@pytest.mark.parametrize("schedule", every_schedule(), ids=repr)
@pytest.mark.parametrize(("name", "sampler"), PAIRS, ids=repr)
def test_every_sampler_schedule_and_parameterization_reaches_the_exact_moments(schedule, sampler, name):
    parameterization = PARAMETERIZATIONS[name]
    try:
        check_combination(parameterization, schedule, "this")
    except CombinationError:
        assert name == "eps"
        assert schedule.at(1.0)[0] == 0.0
        return
    # The network is given levels in [-20, 20] and computes its time from them.
    network = OracleNetwork(GaussianOracle(MEAN, STD, schedule), parameterization)
    posterior = Gaussian(NetworkPosterior(network, schedule, parameterization))

    mean, std = reached_moments(sampler, posterior, TimeGrid.uniform(200))

    # Exact except for the error of 200 steps.
    assert mean == pytest.approx(MEAN, abs=0.03)
    assert std == pytest.approx(STD, abs=0.03)


class Gaussian:
    """A network's posterior mean with the moments of the data."""

    def __init__(self, posterior):
        self.posterior, self.schedule = posterior, posterior.schedule

    def __call__(self, x, t):
        return self.posterior(x, t)

    def marginal(self, t):
        return GaussianOracle(MEAN, STD, self.schedule).marginal(t)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
@pytest.mark.parametrize("schedule", every_schedule(), ids=repr)
def test_an_image_is_bit_equal_in_any_batch(sampler, schedule):
    posterior = GaussianOracle(MEAN, STD, schedule)

    def drawn(images):
        return sample(posterior, sampler, TimeGrid.uniform(7), images=images, shape=(3, 5, 5), seed=4)

    whole = drawn(9)
    for chosen in ([0], [8], [2, 5, 6]):
        assert torch.equal(drawn(chosen), whole[chosen])


@pytest.mark.parametrize(
    ("spacing", "steps"),
    [(spacing, steps) for spacing in ("uniform", "quadratic", "trailing") for steps in (1, 7, 50)]
    + [("trailing", steps) for steps in (299, 300)],  # of 300 trained times, a divisor and not
)
def test_any_number_of_steps_starts_at_noise_and_ends_at_the_data(spacing, steps):
    schedule = Linear(steps=300)
    path = TimeGrid.trailing(steps, 300) if spacing == "trailing" else getattr(TimeGrid, spacing)(steps)
    point = torch.tensor([0.25], dtype=torch.float64)
    assert (path.times[0], path.times[-1], path.moves_down) == (1.0, 0.0, steps)
    for sampler in SAMPLERS:
        drawn = sample(Constant(point, schedule), sampler, path, images=3, shape=(1,), seed=0, dtype=torch.float64)
        torch.testing.assert_close(drawn, point.expand(3, 1))


def test_trailing_times_are_trained_times_and_start_at_the_last():
    # Lin et al. 2023, table 2: 10 steps of 1000 visit 1000, 900, ..., 100.
    assert [round(t * 1000) for t in TimeGrid.trailing(10, 1000).times] == [*range(1000, 0, -100), 0]
    assert all((t * 300) == pytest.approx(round(t * 300)) for t in TimeGrid.trailing(7, 300).times)


def test_invalid_paths_are_refused():
    for times in ([1.0], [1.0, 1.0], [1.2, 0.0], [float("nan"), 0.0]):
        with pytest.raises(ValueError, match=r"path|times"):
            TimeGrid.of(times)
    with pytest.raises(ValueError, match="do not fit"):
        TimeGrid.trailing(11, 10)
    with pytest.raises(ValueError, match="at least one step"):
        TimeGrid.uniform(0)


def test_a_move_up_preserves_the_marginal():
    schedule = Cosine()
    x0 = torch.full((100_000, 1), 0.4, dtype=torch.float64)
    alpha_t, sigma_t = schedule.at(0.3)
    index = torch.arange(100_000)
    x_t = alpha_t * x0 + sigma_t * Stream(0, "a").normal(0, index, (1,), torch.float64)
    x_s = renoise(schedule, x_t, 0.3, 0.6, KeyedNoise(Stream(0, "b"), 1, index))
    alpha_s, sigma_s = schedule.at(0.6)
    assert x_s.mean().item() == pytest.approx(alpha_s * 0.4, abs=0.01)
    assert x_s.std().item() == pytest.approx(sigma_s, rel=0.01)


def test_a_path_with_moves_up_still_reaches_the_exact_moments():
    times = [1.0]
    for k in range(100, 0, -1):
        times += [(k - 1) / 100, k / 100, (k - 1) / 100] if k % 10 == 0 else [(k - 1) / 100]
    drawn = sample(
        GaussianOracle(MEAN, STD, Cosine()), DDPM(), TimeGrid.of(times), images=20_000, shape=(1,), seed=0, dtype=torch.float64
    )
    assert drawn.mean().item() == pytest.approx(MEAN, abs=0.03)
    assert drawn.std().item() == pytest.approx(STD, abs=0.03)


def test_the_forward_process_in_one_shot_equals_the_iterated_chain():
    # Ho et al. 2020, equations 2 and 4: x_i = sqrt(1 - beta_i) x_(i-1) + sqrt(beta_i) z has mean factor prod sqrt(1 - beta).
    beta = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    schedule = Linear(steps=1000, scale_to_steps=False)
    factor, variance = 1.0, 0.0
    for i in range(1, 1001):
        factor *= (1 - beta[i - 1].item()) ** 0.5
        variance = (1 - beta[i - 1].item()) * variance + beta[i - 1].item()
        alpha, sigma = schedule.at(i / 1000)
        assert alpha == pytest.approx(factor, rel=1e-11)
        assert sigma**2 == pytest.approx(variance, rel=1e-11)


def test_a_trajectory_has_every_time_and_ends_with_the_sample():
    oracle = GaussianOracle(MEAN, STD, Cosine())
    states = list(trajectory(oracle, DDIM(), TimeGrid.uniform(5), images=2, shape=(3,), seed=1))
    assert [t for t, _ in states] == list(TimeGrid.uniform(5).times)
    assert torch.equal(states[-1][1], sample(oracle, DDIM(), TimeGrid.uniform(5), images=2, shape=(3,), seed=1))


def test_wrappers_are_posterior_means_themselves():
    schedule = Cosine()
    x = torch.tensor([[3.0], [-3.0]])

    class Conditional:
        def __init__(self):
            self.schedule = schedule

        def __call__(self, x, t, cond=None):
            return torch.zeros_like(x) if cond is None else cond[:, None].to(x.dtype).expand_as(x)

    label = torch.tensor([1, 2])
    conditioned = Conditioned(Conditional(), label)
    assert conditioned(x, 0.5).flatten().tolist() == [1.0, 2.0]
    # guide + scale (inner - guide), the guide being the network without condition: zero here.
    assert Guided(conditioned, 3.0)(x, 0.5).flatten().tolist() == [3.0, 6.0]
    assert Guided(conditioned, 3.0, guide=Constant(torch.tensor([1.0]), schedule))(x, 0.5).flatten().tolist() == [1.0, 4.0]
    assert Clamped(Guided(conditioned, 3.0))(x, 0.5).flatten().tolist() == [1.0, 1.0]
    counted = Counted(Conditional())
    for posterior, nfe in ((Conditioned(counted, label), 13), (Guided(Conditioned(counted, label), 3.0), 26)):
        counted.nfe = 0
        sample(Clamped(posterior), DDIM(), TimeGrid.uniform(13), images=2, shape=(1,), seed=0)
        assert counted.nfe == nfe
        assert Clamped(posterior).schedule is schedule
    with pytest.raises(TypeError, match="Conditioned"):
        Guided(Constant(torch.tensor([1.0]), schedule), 2.0)


@pytest.mark.parametrize("schedule", every_schedule(), ids=repr)
def test_bisection_equals_the_closed_inverse(schedule):
    t = torch.linspace(0.001, 0.999, 50, dtype=torch.float64)
    torch.testing.assert_close(bisected_time(schedule, schedule.logsnr(t)), t, rtol=1e-9, atol=1e-9)
