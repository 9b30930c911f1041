"""Measuring a list of combinations: stored results are not computed again, and a failed combination does not stop the others."""

from pathlib import Path

import pytest

from workbench.errors import SamplingError
from workbench.recipe import AxisSettings, load, sampler_combinations
from workbench.runs import CombinationReport, CombinationResult, RunFolder, measure_combinations, plan_combinations


class Evaluator:
    """An evaluator whose NFE is the number of steps; with the `failing` numbers of steps, images are not finite."""

    def __init__(self, stored=(), failing=()):
        self.stored, self.failing = stored, failing

    def kept(self, slot):
        return self.result(slot, new=False) if slot.steps in self.stored else None

    def cost(self, slot):
        return slot.steps

    def measure(self, slot, progress):
        if slot.steps in self.failing:
            raise SamplingError(f"not finite with {slot.steps} steps")
        progress(4)
        return self.result(slot, new=True)

    def result(self, slot, *, new):
        return CombinationResult(
            Path("file.json"), slot, 4, slot.steps, 2.0, {"fd": 10.0 / slot.steps + slot.component.eta}, {}, new
        )


def plan(tiny, evaluator, steps, eta="0"):
    axes = [AxisSettings.of("eta", [eta], "--eta"), AxisSettings.of("steps", [steps], "--steps")]
    return plan_combinations(evaluator, sampler_combinations(load(tiny), ["ddim"], axes), ["eta"])


def test_only_combinations_that_are_not_stored_are_computed_and_report_progress(tiny):
    evaluator, calls = Evaluator(stored=[2]), []
    planned = plan(tiny, evaluator, "1,2,3")
    assert [(one.name, one.nfe) for one in planned] == [
        ("ddim eta=0 1 steps", 1),
        ("ddim eta=0 2 steps", 0),
        ("ddim eta=0 3 steps", 3),
    ]
    measured = list(measure_combinations(evaluator, planned, lambda combination, done: calls.append((combination.nfe, done))))
    assert [combination.result.new for combination in measured] == [True, False, True]
    assert calls == [(1, 0), (1, 4), (3, 0), (3, 4)]


def test_a_combination_that_fails_is_left_out(tiny):
    evaluator = Evaluator(failing=[2])
    measured = list(measure_combinations(evaluator, plan(tiny, evaluator, "1,2,3")))
    assert [combination.result is None for combination in measured] == [False, True, False]
    assert str(measured[1].error) == "not finite with 2 steps"


def test_the_first_error_is_raised_if_all_fail(tiny):
    evaluator = Evaluator(failing=[1, 2])
    with pytest.raises(SamplingError, match="with 1 steps"):
        list(measure_combinations(evaluator, plan(tiny, evaluator, "1,2")))


def test_the_report_orders_by_variant_and_cost_and_finds_the_best(tiny):
    evaluator = Evaluator()
    planned = plan(tiny, evaluator, "3,1", eta="0,1")
    results = [combination.result for combination in measure_combinations(evaluator, planned)]
    report = CombinationReport.of(RunFolder(Path("runs/a")), 4, "fd", results, ["eta"])
    assert [row.name for row in report.rows] == [
        "ddim eta=0 1 steps",
        "ddim eta=0 3 steps",
        "ddim eta=1 1 steps",
        "ddim eta=1 3 steps",
    ]
    assert [row.pareto for row in report.rows] == [True, True, False, False]
    document = report.document({}, "wb sample a")
    assert (report.best.name, document["best"], document["pareto"]) == ("ddim eta=0 3 steps", 1, [0, 1])
