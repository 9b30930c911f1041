"""Every sampler searches and every pruner prunes: on a function with a known minimum, through the queue of the workers, and with real runs."""

import math
import re
import sys
from collections import Counter

import pytest

from workbench.errors import RecipeError
from workbench.recipe import load
from workbench.sweep.checks import check_sweep
from workbench.sweep.ledger import Ledger, TrialOutcome
from workbench.sweep.objectives import search_targets
from workbench.sweep.opening import LOCAL_SECONDS
from workbench.sweep.space import axes_of
from workbench.sweep.study import Search
from workbench.sweep.trial_queue import TrialQueue

KEYS = ("train.learning_rate", "train.weight_decay")
RANGES = "[sweep.space]\n" + "".join(f'"{key}" = {{ low = 1e-5, high = 1e-1, log = true }}\n' for key in KEYS)
POINTS = "[sweep.space]\n" + "".join(f'"{key}" = {{ choices = [1e-1, 1e-2, 1e-3, 2e-4, 1e-4] }}\n' for key in KEYS)
STEPS, EVERY = 40, 10


def bowl(recipe):
    """A function whose least value, 0, is at 10^-3.2 and 10^-4.1."""
    x, y = map(math.log10, (recipe.train.learning_rate, recipe.train.weight_decay))
    return (x + 3.2) ** 2 + 0.5 * (y + 4.1) ** 2 + 0.3 * (x + 3.2) * (y + 4.1)


@pytest.fixture
def searched(write, tmp_path):
    """Runs a search for the least value of the bowl to its end; values by trial, and the numbers of those that were pruned."""

    def run(sampler, pruner="none", trials=30, seed=0, space=RANGES):
        name = f"{sampler}-{pruner}-{seed}"
        path = write(f'sampler = "{sampler}"\n', space, name=f"{name}.toml")
        path.write_text(path.read_text().replace('pruner = "none"', f'pruner = "{pruner}"'))
        settings = [f"seed={seed}", "train.weight_decay=1e-2", f"train.steps={STEPS}", f"train.validate_every={EVERY}"]
        recipe = load(path, settings)
        check_sweep(path, recipe, settings)
        url = f"sqlite:///{tmp_path / f'{name}.db'}"
        ledger, search = Ledger(url, "s", LOCAL_SECONDS), Search(url, "s", recipe, axes_of(recipe), search_targets(recipe), 1)
        queue, values, pruned = TrialQueue(ledger, search, trials), {}, []
        while (lease := queue.next_trial("me")) is not None:
            value = values[lease.number] = bowl(load(path, [*settings, *lease.overrides]) if lease.overrides else recipe)
            # As a loss that falls during training.
            if any(queue.report(lease, step, value + 1.0 - step / STEPS) for step in range(EVERY, STEPS, EVERY)):
                pruned.append(lease.number)
            queue.finish(lease, TrialOutcome("pruned") if lease.number in pruned else TrialOutcome("complete", (value,)))
        assert queue.tally().finished
        search.close()
        ledger.close()
        return values, pruned

    return run


@pytest.mark.parametrize(
    ("sampler", "pruner", "least"),
    [
        ("tpe", "hyperband", 0.1),
        ("gp", "median", 0.1),
        ("cmaes", "none", 0.1),
        ("random", "median", 0.5),
        ("qmc", "hyperband", 0.5),
    ],
)
def test_every_sampler_approaches_the_minimum_and_pruners_end_bad_trials_only(searched, sampler, pruner, least):
    values, pruned = searched(sampler, pruner)
    assert sorted(values) == list(range(30))
    assert len(set(values.values())) == 30
    assert min(values.values()) < least < values[0]
    assert bool(pruned) == (pruner != "none")
    assert min(values, key=values.get) not in pruned


def test_a_grid_tries_every_point_once_and_finds_the_best(searched):
    values, _ = searched("grid", trials=100, space=POINTS)
    assert len(values) == 25
    assert len(set(values.values())) == 25
    assert min(values.values()) == pytest.approx(0.2**2 + 0.5 * 0.1**2 + 0.3 * 0.2 * 0.1)  # at 1e-3, 1e-4


@pytest.mark.long
def test_the_search_beats_random_search(searched):
    """TPE against random search: better after 50 trials in 8 of 10 seeds."""

    def best(sampler, seed):
        values, _ = searched(sampler, trials=50, seed=seed)
        return min(values.values())

    won = sum(best("tpe", seed) < best("random", seed) for seed in range(10))
    assert won >= 8


@pytest.mark.parametrize(
    ("sampler", "pruner", "trials"),
    [
        pytest.param("cmaes", "hyperband", 6, marks=pytest.mark.long),
        pytest.param("gp", "median", 12, marks=pytest.mark.long),
        pytest.param("qmc", "median", 8, marks=pytest.mark.long),
        pytest.param("random", "hyperband", 8, marks=pytest.mark.long),
    ],
)
def test_a_search_with_real_runs_prints_its_outcomes_only(wb, summary, write, sampler, pruner, trials):
    path = write(f'sampler = "{sampler}"\n', RANGES + '"train.flip" = { choices = [true, false] }\n')
    path.write_text(path.read_text().replace('pruner = "none"', f'pruner = "{pruner}"'))
    settings = ["train.weight_decay=1e-2", "train.steps=12", "train.validate_every=4", "train.warmup=0"]
    done = wb("sweep", path, "--trials", trials, "--no-track", *(word for setting in settings for word in ("--set", setting)))
    trials_shown = summary()["trials"]
    assert {trial["state"] for trial in trials_shown} <= {"complete", "pruned"}
    assert len({trial["params"]["train.learning_rate"] for trial in trials_shown}) == trials
    assert Counter(map(int, re.findall(r"^trial (\d+):", done.stdout, re.MULTILINE))) == Counter(range(trials))
    assert done.stderr == ""
    assert ("chosen at random: train.flip" in done.stdout) == (sampler in ("cmaes", "qmc"))


def test_a_sampler_whose_package_is_missing_is_reported_with_the_command_that_installs_it(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "cmaes", None)
    path = write('sampler = "cmaes"\n', RANGES)
    with pytest.raises(RecipeError, match="pip install cmaes"):
        check_sweep(path, load(path, ["train.weight_decay=1e-2"]), ["train.weight_decay=1e-2"])


def test_cmaes_refuses_a_space_without_two_ranges(write):
    path = write('sampler = "cmaes"\n')
    with pytest.raises(RecipeError, match="at least 2 ranges"):
        check_sweep(path, load(path))


def test_hyperband_starts_at_the_first_value_that_prunes(write):
    from workbench.sweep.trial_recipe import prune_every

    def every(*settings):
        return prune_every(load(write(), ["train.steps=100", *settings]))

    assert every("train.validate_every=10") == 10
    assert every("train.validate_every=10", "evaluate.every=50") == 50
    assert every("train.validate_every=10", "evaluate.every=50", "sweep.prune_by=loss") == 10
    assert every("train.validate_every=100") == 0  # at the end there is nothing left to prune
    assert every("train.validate_every=0") == 0
