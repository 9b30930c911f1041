"""The kit as pytest classes, a decorator and an iterator."""

from __future__ import annotations

import pytest
from kit_mistakes.datasets import Sound
from kit_mistakes.denoisers import Sound as SoundNetwork
from kit_mistakes.samplers import EvaluationsThatDependOnData, GlobalGenerator
from pydantic import Field

from wb_samplers import DDIM
from wb_schedules import Flow
from workbench.interfaces import Component
from workbench.testing import (
    SamplerConformance,
    ScheduleConformance,
    checks,
    examine,
    kind_of,
    parametrize_with_checks,
)


class TestDDIM(SamplerConformance):
    component = DDIM(eta=0.3)


class TestFlow(ScheduleConformance):
    component = Flow


def test_a_class_with_a_field_without_default_is_an_error_in_one_sentence():
    class Needs(Flow.__base__):
        needed: float = Field(description="has no default")
        alpha_sigma = Flow.alpha_sigma
        time = Flow.time

    class Suite(ScheduleConformance):
        component = Needs

    words = r"Needs cannot be created with its default fields \(needed: Field required\): use an instance"
    with pytest.raises(AssertionError, match=words):
        Suite().test_conforms(checks("schedules")[0])


class TestDeclaredDeviation(SamplerConformance):
    component = EvaluationsThatDependOnData()
    expected_failures = {"nfe": "evaluates large predictions twice"}  # noqa: RUF012 - as in the documentation


@parametrize_with_checks([Flow(), EvaluationsThatDependOnData()], {"nfe": "evaluates large predictions twice"})
def test_components_conform(component, check):
    try:
        check.run(component)
    except Exception as error:
        if type(error).__name__ == "NotApplicable":
            pytest.skip(str(error))
        raise


def test_a_declared_deviation_is_reported_with_its_reason_and_must_exist():
    results = {
        result.check.name: result
        for result in examine(EvaluationsThatDependOnData(), {"nfe": "evaluates twice", "dtypes": "declared"})
    }
    assert (results["nfe"].state, results["dtypes"].state) == ("expected", "unexpected")
    assert "evaluates twice" in results["nfe"].message
    assert not results["dtypes"].conforms
    with pytest.raises(ValueError, match="no check is called 'momets'"):
        list(examine(DDIM(), {"momets": "misspelled"}))


def test_a_dataset_never_loads_more_than_it_counts():
    class CountsTooFew(Sound):
        def count_examples(self, split):
            return 1

    results = {result.check.name: result for result in examine(CountsTooFew())}
    assert results["description"].state == "failed"
    assert "count_examples() is 1" in results["description"].message


def test_warnings_of_a_network_are_sentences():
    class WarnsWithText(SoundNetwork):
        def warnings(self, spec):
            return "too small"

    results = {result.check.name: result for result in examine(WarnsWithText())}
    assert results["shape"].message == "warnings() returns 'too small', not a sequence of sentences"


def test_an_exception_of_a_component_is_a_failure():
    class Raises(Flow.__base__):
        def alpha_sigma(self, t):
            raise ZeroDivisionError("by design")

        def time(self, logsnr):
            return logsnr

    results = {result.check.name: result for result in examine(Raises())}
    assert results["limits"].state == "failed"
    assert "ZeroDivisionError: by design" in results["limits"].message


def test_an_object_that_is_not_a_component_is_refused():
    class Nothing(Component):
        pass

    with pytest.raises(TypeError, match="not a component"):
        kind_of(Nothing())
    assert kind_of(GlobalGenerator()) == "samplers"


def test_every_kind_has_checks_with_statements():
    for kind in ("schedules", "denoisers", "samplers", "datasets", "features"):
        for check in checks(kind):
            assert check.statement.endswith("."), check.name
