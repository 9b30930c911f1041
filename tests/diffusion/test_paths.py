"""Which times a path visits."""

import pytest
import torch

from wb_samplers import DDIM
from wb_schedules import Cosine
from workbench.diffusion import Path, sample, trajectory
from workbench.interfaces import Sampler
from workbench.testing import Constant, GaussianOracle


class Remembering(Sampler):
    """Counts the moves since its state was reset, and keeps what it was given."""

    def step(self, posterior, x, t, s, *, state, noise):
        return noise.normal(x), (state or 0) + 1


class Recording(Sampler):
    """Passes on, as state, the states it was given."""

    def step(self, posterior, x, t, s, *, state, noise):
        SEEN.append(state)
        return x, len(SEEN)


SEEN: list[int | None] = []


def test_quadratic_times_are_squares():
    assert Path.quadratic(4).times == (1.0, 9 / 16, 4 / 16, 1 / 16, 0.0)


def test_trailing_times_are_rounded_to_the_nearest_trained_time():
    # Lin et al. 2023, table 2: round(arange(T, 0, -T / N)); T = 300 is no multiple of 7.
    assert [round(300 * t) for t in Path.trailing(7, 300).times] == [300, 257, 214, 171, 129, 86, 43, 0]


def test_only_moves_down_are_the_samplers():
    assert Path.of([1.0, 0.5, 0.7, 0.0]).moves_down == 2


def test_a_samplers_state_is_passed_on_and_forgotten_after_a_move_up():
    SEEN.clear()
    sample(GaussianOracle(0.0, 1.0, Cosine()), Recording(), Path.of([1.0, 0.8, 0.6, 0.7, 0.5, 0.2]), images=1, shape=(1,), seed=0)
    assert SEEN == [None, 1, None, 3]


def test_the_start_and_every_step_have_noise_of_their_own():
    states = trajectory(GaussianOracle(0.0, 1.0, Cosine()), Remembering(), Path.uniform(4), images=2, shape=(500,), seed=0)
    correlation = torch.corrcoef(torch.stack([x.flatten() for _, x in states]))
    # 1000 draws: the standard error of a correlation is 0.03.
    torch.testing.assert_close(correlation, torch.eye(5), rtol=0, atol=0.15)


def test_a_path_that_starts_half_way_starts_with_the_noise_of_that_time():
    schedule = Cosine()
    _, x = next(trajectory(Constant(torch.zeros(1), schedule), DDIM(), Path.of([0.5, 0.0]), images=2, shape=(5000,), seed=0))
    assert x.std().item() == pytest.approx(schedule.at(0.5)[1], rel=0.03)
