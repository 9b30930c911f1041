"""The times of a path."""

import itertools
import math

import pytest
import torch

from wb_samplers import DDIM, DPMpp2M, Heun
from wb_schedules import EDM, Cosine, Linear
from workbench.diffusion import TimeGrid, sample, trajectory
from workbench.diffusion.time_grid import sigma_at, time_at
from workbench.interfaces import Sampler
from workbench.testing import Constant, GaussianOracle, every_schedule, reached_moments


class NoiseOnly(Sampler):
    """Returns noise, and counts the moves since its state was reset."""

    def step(self, posterior, x, t, s, *, state, noise):
        return noise.normal(x), (state or 0) + 1


class Recording(Sampler):
    """Records the states that it is given."""

    def step(self, posterior, x, t, s, *, state, noise):
        STATES.append(state)
        return x, len(STATES)


STATES: list[int | None] = []


def test_quadratic_times_are_squares():
    assert TimeGrid.quadratic(4).times == (1.0, 9 / 16, 4 / 16, 1 / 16, 0.0)


def test_trailing_times_are_rounded_to_the_nearest_trained_time():
    # Lin et al. 2023, table 2: round(arange(T, 0, -T / N)); T = 300 is not a multiple of 7.
    assert [round(300 * t) for t in TimeGrid.trailing(7, 300).times] == [300, 257, 214, 171, 129, 86, 43, 0]


def test_moves_down_are_counted_without_moves_up():
    assert TimeGrid.of([1.0, 0.5, 0.7, 0.0]).moves_down == 2


def test_the_state_is_passed_on_and_reset_after_a_move_up():
    STATES.clear()
    sample(
        GaussianOracle(0.0, 1.0, Cosine()), Recording(), TimeGrid.of([1.0, 0.8, 0.6, 0.7, 0.5, 0.2]), images=1, shape=(1,), seed=0
    )
    assert STATES == [None, 1, None, 3]


def test_the_noise_of_the_start_and_of_every_step_is_independent():
    states = trajectory(GaussianOracle(0.0, 1.0, Cosine()), NoiseOnly(), TimeGrid.uniform(4), images=2, shape=(500,), seed=0)
    correlation = torch.corrcoef(torch.stack([x.flatten() for _, x in states]))
    # 1000 draws: the standard error of a correlation is 0.03.
    torch.testing.assert_close(correlation, torch.eye(5), rtol=0, atol=0.15)


def test_a_path_that_starts_in_the_middle_starts_with_the_noise_of_that_time():
    schedule = Cosine()
    _, x = next(trajectory(Constant(torch.zeros(1), schedule), DDIM(), TimeGrid.of([0.5, 0.0]), images=2, shape=(5000,), seed=0))
    assert x.std().item() == pytest.approx(schedule.at(0.5)[1], rel=0.03)


@pytest.mark.parametrize("steps", [2, 9, 18, 50])
def test_karras_sigmas_are_equation_5(steps):
    # Karras et al. 2022, table 1 and equation 5: sigma from 80 to 0.002 with rho = 7, then 0.
    expected = [(80 ** (1 / 7) + i / (steps - 1) * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7 for i in range(steps)]
    path = TimeGrid.karras(steps, EDM())
    assert [sigma_at(EDM(), t) for t in path.times[:-1]] == pytest.approx(expected, rel=1e-9)
    assert (path.times[-1], path.moves_down) == (0.0, steps)


def test_a_log_snr_path_has_equal_steps_in_log_snr():
    path = TimeGrid.logsnr(11, Cosine(), sigma_min=0.01, sigma_max=50.0)
    logsnr = [-2 * math.log(sigma_at(Cosine(), t)) for t in path.times[1:-1]]
    assert [b - a for a, b in itertools.pairwise(logsnr)] == pytest.approx([2 * math.log(5000) / 10] * 9)
    assert path.times[0] == 1.0  # where samples start, for any sigma_max


@pytest.mark.parametrize("schedule", every_schedule(), ids=repr)
@pytest.mark.parametrize("spacing", [TimeGrid.karras, TimeGrid.logsnr])
@pytest.mark.parametrize("steps", [1, 2, 7, 40])
def test_paths_in_sigma_lead_from_noise_to_data_on_every_schedule(schedule, spacing, steps):
    times = spacing(steps, schedule).times
    assert (times[0], times[-1], len(times)) == (1.0, 0.0, steps + 1)
    assert all(s < t for t, s in itertools.pairwise(times))


def test_the_smallest_sigma_of_a_table_is_the_smallest_trained_one():
    assert TimeGrid.karras(10, Linear(steps=300)).times[-2] == pytest.approx(1 / 300)


def test_churn_moves_up_by_gamma_in_the_given_range():
    # Karras et al. 2022, algorithm 2, on a path of 10 moves: gamma = min(2 / 10, sqrt(2) - 1).
    schedule = EDM()
    plain = TimeGrid.karras(10, schedule)
    churned = plain.churned(schedule, amount=2.0, low=0.1, high=30.0)
    ups = [(t, s) for t, s in churned.moves() if s > t]
    assert [t for t, _ in ups] == [t for t in plain.times if 0.1 <= sigma_at(schedule, t) <= 30.0]
    assert [sigma_at(schedule, s) / sigma_at(schedule, t) for t, s in ups] == pytest.approx([1.2] * len(ups))
    assert churned.moves_down == plain.moves_down
    much = plain.churned(schedule, amount=80.0)
    assert max(sigma_at(schedule, s) / sigma_at(schedule, t) for t, s in much.moves() if s > t) == pytest.approx(2**0.5)


def test_a_restart_moves_up_and_down_the_same_times_again():
    schedule = EDM()
    plain = TimeGrid.karras(12, schedule)
    path = plain.restarted(schedule, times=2, low=0.2, high=2.0)
    bottom = next(t for t in plain.times if sigma_at(schedule, t) <= 0.2)
    between = [t for t in plain.times if bottom <= t and sigma_at(schedule, t) < 2.0]
    top = time_at(schedule, 2.0)
    start = plain.times.index(bottom)
    assert path.times == (*plain.times[: start + 1], top, *between, top, *between, *plain.times[start + 1 :])


@pytest.mark.parametrize("schedule", every_schedule(), ids=repr)
@pytest.mark.parametrize("sampler", [DDIM(), DPMpp2M(), Heun()], ids=repr)
def test_churned_and_restarted_paths_reach_the_exact_moments(schedule, sampler):
    oracle, base = GaussianOracle(0.7, 0.5, schedule), TimeGrid.karras(200, schedule)
    for path in (base, base.churned(schedule, 10.0), base.restarted(schedule, 3, 0.1, 2.0)):
        mean, std = reached_moments(sampler, oracle, path)
        assert mean == pytest.approx(0.7, abs=0.03)
        assert std == pytest.approx(0.5, abs=0.03)


def test_invalid_restarts_and_ends_are_refused():
    path = TimeGrid.karras(10, EDM())
    with pytest.raises(ValueError, match="needs a step there"):
        path.restarted(EDM(), 1, 1e-4, 2.0)
    with pytest.raises(ValueError, match="must go up"):
        path.restarted(EDM(), 1, 0.5, 1e-3)
    with pytest.raises(ValueError, match="below sigma_max"):
        TimeGrid.karras(10, EDM(), sigma_min=5.0, sigma_max=2.0)
    with pytest.raises(ValueError, match="schedule's own 157"):
        TimeGrid.karras(10, Linear(), sigma_max=200.0)
