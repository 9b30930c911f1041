"""When a run logs, validates, evaluates, saves and synchronises."""

from workbench.recipe import load
from workbench.training.cadence import Cadence

SETTINGS = ["train.steps=12", "train.log_every=5", "train.validate_every=4", "train.checkpoint_every=6", "evaluate.every=3"]


def steps(method):
    return [step for step in range(13) if method(step)]


def test_each_period_is_that_of_the_recipe(tiny):
    cadence = Cadence(load(tiny, [*SETTINGS, "evaluate.at_start=true"]))
    assert steps(cadence.logs) == [0, 5, 10, 12]
    assert steps(cadence.validates) == [4, 8, 12]
    assert steps(cadence.evaluates) == [0, 3, 6, 9]  # after the last step a run evaluates in any case
    assert steps(cadence.saves) == [0, 6, 12]
    assert steps(cadence.synchronizes) == [0, 3, 4, 5, 6, 8, 9, 10, 12]


def test_a_period_of_0_means_never(tiny):
    cadence = Cadence(load(tiny, [*SETTINGS, "train.validate_every=0", "evaluate.every=0", "evaluate.at_start=false"]))
    assert steps(cadence.validates) == steps(cadence.evaluates) == []
