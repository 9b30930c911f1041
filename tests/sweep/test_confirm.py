"""The confirmation of a sweep, and the claims it supports."""

import statistics

import pytest
from scipy import stats

from workbench.recipe import load
from workbench.sweep.confirmation import Interval, read_confirmation, write_confirmation
from workbench.sweep.folder import SweepFolder
from workbench.sweep.ledger import TrialOutcome
from workbench.sweep.objectives import SearchTarget
from workbench.sweep.remeasuring import confirmation_tasks

KID = SearchTarget("kid_efficientnet_lite0", "minimize")


def test_an_interval_is_students():
    values = [1.0, 1.3, 0.9, 1.1, 1.4]
    low, high = stats.t.interval(0.95, len(values) - 1, statistics.fmean(values), stats.sem(values))
    interval = Interval.of(values)
    assert (interval.mean - interval.half, interval.mean + interval.half) == pytest.approx((low, high))


def test_ninety_five_of_a_hundred_intervals_contain_the_mean():
    draws = stats.norm.rvs(loc=2.0, scale=0.5, size=(2000, 5), random_state=0)
    intervals = [Interval.of(row) for row in draws.tolist()]
    share = sum(abs(interval.mean - 2.0) <= interval.half for interval in intervals) / len(intervals)
    assert share == pytest.approx(0.95, abs=3 * (0.95 * 0.05 / 2000) ** 0.5)


def test_trials_that_are_not_distinguishable_from_the_best_are_listed(write, tmp_path):
    folder = SweepFolder.of(tmp_path, "s")
    recipe = load(write())
    # Trial 7 is as good but for noise; trial 0 is worse by more than its noise. All draws share the noise of their seed.
    common = [0.1, -0.2, 0.05, 0.0, 0.15]
    values = {
        0: [1.5 + noise for noise in common],
        3: [1.0 + noise for noise in common],
        7: [1.0 + noise + small for noise, small in zip(common, [0.02, -0.03, 0.01, 0.03, -0.02], strict=True)],
    }
    confirmation = write_confirmation(folder, recipe, KID, values)
    assert confirmation.best in (3, 7)
    assert confirmation.not_distinguishable == [7 if confirmation.best == 3 else 3]
    assert confirmation.behind[0].mean == pytest.approx(0.5, abs=0.02)
    assert read_confirmation(folder)["not_distinguishable"] == confirmation.not_distinguishable


def test_the_best_and_the_recipe_itself_are_measured_again_with_the_same_noise(write):
    recipe = load(write(), ["evaluate.features=['efficientnet_lite0']", "sweep.metric=kid", "sweep.confirm=2"])
    outcomes = {number: TrialOutcome("complete", (float(number),), f"run-{number}") for number in range(5)}
    tasks = confirmation_tasks(recipe, outcomes, [4, 2, 1, 0], lambda run: True, trained_once=False)
    assert [task.number for task in tasks] == [4, 2, 0]
    assert len({task.seeds for task in tasks}) == 1
    assert recipe.seed not in tasks[0].seeds
    assert [
        task.number for task in confirmation_tasks(recipe, outcomes, [4, 2], lambda run: run != "run-2", trained_once=False)
    ] == [4]


def test_a_metric_that_does_not_depend_on_images_is_not_measured_again(write):
    assert (
        confirmation_tasks(
            load(write(), ["sweep.confirm=3"]),
            {0: TrialOutcome("complete", (1.0,), "r")},
            [0],
            lambda run: True,
            trained_once=False,
        )
        == []
    )
