"""Solvers against their papers. The conformance kit checks the laws of all samplers."""

import itertools
import math

import pytest
import torch

from wb_samplers import DDIM, DDPM, AncestralEuler, DPMpp2M, DPMpp2MSDE, DPMpp3M, Heun, UniPC
from wb_schedules import EDM, Cosine, Flow, Linear
from workbench.diffusion import TimeGrid, sample
from workbench.testing import ForbiddenNoise, GaussianOracle, MixtureOracle, QuarterCircle


def mixture(schedule):
    return MixtureOracle([-1.0, 0.8], [0.3, 0.2], [0.4, 0.6], schedule)


def drawn(sampler, oracle, path):
    return sample(oracle, sampler, path, images=5, shape=(1,), seed=0, dtype=torch.float64)


def test_heun_on_edm_is_algorithm_1_of_karras_et_al():
    oracle, steps = mixture(EDM()), 9
    path = TimeGrid.karras(steps, EDM())
    sigmas = [(80.0 ** (1 / 7) + i / (steps - 1) * (0.002 ** (1 / 7) - 80.0 ** (1 / 7))) ** 7 for i in range(steps)] + [0.0]
    start = 80.0 * torch.linspace(-1, 1, 5, dtype=torch.float64)[:, None]

    x = start
    for sigma, after in itertools.pairwise(sigmas):  # Karras et al. 2022, algorithm 1, line by line
        t = (sigma / 80.0) ** 0.25
        d = (x - oracle(x, t)) / sigma
        moved = x + (after - sigma) * d
        if after > 0:
            d_after = (moved - oracle(moved, (after / 80.0) ** 0.25)) / after
            moved = x + (after - sigma) * (0.5 * d + 0.5 * d_after)
        x = moved

    ours = sample(oracle, Heun(), path, images=5, shape=(1,), seed=0, dtype=torch.float64, start=start)
    torch.testing.assert_close(ours, x, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("schedule", [Linear(), Cosine(), Flow(), EDM()], ids=repr)
def test_ancestral_euler_is_karras_split_into_a_step_down_and_noise_up(schedule):
    oracle, t, s = mixture(schedule), 0.6, 0.4
    (alpha_t, sigma_t), (alpha_s, sigma_s) = schedule.at(t), schedule.at(s)
    before, after = sigma_t / alpha_t, sigma_s / alpha_s
    up = (after**2 * (before**2 - after**2) / before**2) ** 0.5
    down = (after**2 - up**2) ** 0.5
    y = torch.linspace(-2, 2, 5, dtype=torch.float64)[:, None]
    z = torch.linspace(1, -1, 5, dtype=torch.float64)[:, None]

    class FixedNoise:
        def normal(self, x):
            return z

    d = (y - oracle(alpha_t * y, t)) / before
    expected = alpha_s * (y + (down - before) * d + up * z)
    ours, _ = AncestralEuler().step(oracle, alpha_t * y, t, s, state=None, noise=FixedNoise())
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)


def test_samplers_that_are_the_same_under_two_names_agree():
    oracle, path = mixture(Cosine()), TimeGrid.uniform(12)
    torch.testing.assert_close(drawn(AncestralEuler(), oracle, path), drawn(DDPM(), oracle, path), rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(drawn(AncestralEuler(eta=0.0), oracle, path), drawn(DDIM(), oracle, path))
    torch.testing.assert_close(drawn(DPMpp2MSDE(eta=0.0), oracle, path), drawn(DPMpp2M(), oracle, path))


def test_with_one_move_the_multistep_solvers_are_ddim():
    oracle = mixture(QuarterCircle())
    for sampler in (DPMpp2M(), DPMpp3M(), UniPC(), UniPC(order=3)):
        torch.testing.assert_close(drawn(sampler, oracle, TimeGrid.uniform(1)), drawn(DDIM(), oracle, TimeGrid.uniform(1)))


@pytest.mark.parametrize("sampler", [DPMpp3M(), UniPC(order=3)], ids=repr)
def test_third_order_moves_are_exact_if_the_posterior_mean_is_quadratic_in_half_log_snr(sampler):
    schedule = QuarterCircle()
    lambdas = [-1.0, -0.6, -0.1, 0.3, 0.9]
    times = schedule.time(2.0 * torch.tensor(lambdas, dtype=torch.float64)).tolist()

    class Quadratic:
        def __init__(self):
            self.schedule = schedule

        def __call__(self, x, t):
            lam = 0.5 * schedule.logsnr(torch.tensor(t, dtype=torch.float64))
            return (0.3 - 0.7 * lam + 0.4 * lam**2).expand_as(x)

    def primitive(lam):  # of e^lam (0.3 - 0.7 lam + 0.4 lam^2)
        return math.exp(lam) * (0.3 - 0.7 * (lam - 1.0) + 0.4 * (lam**2 - 2.0 * lam + 2.0))

    x, state = torch.tensor([[0.4]], dtype=torch.float64), None
    for t, s in itertools.pairwise(times):
        before = x
        x, state = sampler.step(Quadratic(), x, t, s, state=state, noise=ForbiddenNoise())
    # UniPC corrects the start of the last move before it makes the move.
    before = getattr(state, "x", before)
    (_, sigma_t), (_, sigma_s) = schedule.at(times[-2]), schedule.at(times[-1])
    exact = sigma_s / sigma_t * before + sigma_s * (primitive(lambdas[-1]) - primitive(lambdas[-2]))
    torch.testing.assert_close(x, exact, rtol=1e-10, atol=1e-12)


def test_dpmpp_2m_extrapolates_to_the_middle_of_the_move():
    # Lu et al. 2022, algorithm 2: D = (1 + 1 / 2r) x0_i - 1 / 2r x0_(i-1), r = h_(i-1) / h_i.
    schedule = QuarterCircle()
    lam = torch.tensor([-1.0, -0.4, 0.5], dtype=torch.float64)
    t0, t1, t2 = schedule.time(2.0 * lam).tolist()
    oracle, x = mixture(schedule), torch.linspace(-1, 1, 5, dtype=torch.float64)[:, None]
    middle, state = DPMpp2M().step(oracle, x, t0, t1, state=None, noise=ForbiddenNoise())
    end, _ = DPMpp2M().step(oracle, middle, t1, t2, state=state, noise=ForbiddenNoise())

    r, h = 0.6 / 0.9, 0.9
    d = (1 + 1 / (2 * r)) * oracle(middle, t1) - 1 / (2 * r) * oracle(x, t0)
    (alpha_s, sigma_s), sigma_t = schedule.at(t2), schedule.at(t1)[1]
    torch.testing.assert_close(end, sigma_s / sigma_t * middle - alpha_s * math.expm1(-h) * d, rtol=1e-9, atol=1e-12)


def test_the_noise_of_the_sde_solver_keeps_the_variance_of_standard_normal_data():
    # For data N(0, 1) on a variance preserving schedule x_t is N(0, 1) at every time; a first-order move preserves that up to h^2.
    schedule = QuarterCircle()
    oracle = GaussianOracle(0.0, 1.0, schedule)
    t = float(schedule.time(torch.tensor(0.0, dtype=torch.float64)))
    s = float(schedule.time(torch.tensor(0.02, dtype=torch.float64)))
    one = torch.ones(1, 1, dtype=torch.float64)

    class Ones:
        def normal(self, x):
            return torch.ones_like(x)

    mean, _ = DPMpp2MSDE().step(oracle, one, t, s, state=None, noise=ForbiddenNoise())
    moved, _ = DPMpp2MSDE().step(oracle, one, t, s, state=None, noise=Ones())
    assert (mean**2 + (moved - mean) ** 2).item() == pytest.approx(1.0, abs=2e-4)
    assert (moved - mean).item() == pytest.approx(schedule.at(s)[1] * (1 - math.exp(-0.02)) ** 0.5)


@pytest.mark.parametrize("coordinate", ["sigma", "flow"])
def test_heun_gives_nearly_the_same_from_pure_and_from_nearly_pure_noise(coordinate):
    oracle = mixture(Flow())
    near, exact = (drawn(Heun(coordinate=coordinate), oracle, TimeGrid.of([t, 0.7, 0.4, 0.1, 0.0])) for t in (0.999, 1.0))
    torch.testing.assert_close(near, exact, rtol=0, atol=0.02)
