"""The kit catches classic mistakes by name."""

import pytest
from kit_mistakes import CAUGHT_BY, HISTORY

from workbench.testing import checks, examine, kind_of


@pytest.mark.parametrize("mistaken", CAUGHT_BY, ids=lambda each: each.__name__)
def test_the_mistake_is_caught_by_name(mistaken):
    HISTORY.clear()
    component, name = mistaken(), CAUGHT_BY[mistaken]
    (check,) = [check for check in checks(kind_of(component)) if check.name == name]
    with pytest.raises(Exception) as caught:  # noqa: PT011 - what it says is looked at
        check.run(component)
    assert isinstance(caught.value, AssertionError), "a mistake is told, not stumbled over"
    assert str(caught.value)


@pytest.mark.parametrize("mistaken", CAUGHT_BY, ids=lambda each: each.__name__)
def test_a_mistake_does_not_hide_behind_a_declaration_of_another(mistaken):
    HISTORY.clear()
    other = "recipe_round_trip"
    outcomes = {each.check.name: each.state for each in examine(mistaken(), {other: "of no importance"})}
    assert outcomes[CAUGHT_BY[mistaken]] == "failed"
    assert outcomes[other] == "unexpected"


def test_every_check_of_samplers_and_schedules_catches_something_or_is_shown_elsewhere():
    caught = set(CAUGHT_BY.values())
    names = {check.name for kind in ("samplers", "schedules") for check in checks(kind)}
    # `mixture` repeats `moments` where a sampler is not linear, `determinism` is what a global generator breaks first.
    assert names - caught == {"mixture", "determinism", "recipe_round_trip"}
