"""The kit catches classic mistakes by name."""

import pytest
from kit_mistakes import CAUGHT_BY, SOUND
from kit_mistakes.launchers import STARTED
from kit_mistakes.samplers import HISTORY, OneDrawForTheWholeImage

from workbench.registry import GROUPS
from workbench.testing import checks, examine, kind_of, launcher_checks


@pytest.fixture(autouse=True)
def _launched(monkeypatch):
    """Commands that are never stopped are found within seconds, and are stopped here."""
    monkeypatch.setattr(launcher_checks, "SECONDS", 5.0)
    yield
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.wait()


ONE_OF_A_KIND = {kind_of(mistaken()): mistaken for mistaken in CAUGHT_BY}.values()


@pytest.mark.parametrize("mistaken", CAUGHT_BY, ids=lambda component: component.__name__)
def test_the_mistake_is_caught_by_name(mistaken):
    HISTORY.clear()
    component, name = mistaken(), CAUGHT_BY[mistaken]
    (check,) = [check for check in checks(kind_of(component)) if check.name == name]
    with pytest.raises(Exception) as caught:  # noqa: PT011 - its type is checked below
        check.run(component)
    assert isinstance(caught.value, AssertionError), "the check reports the mistake instead of failing by accident"
    assert str(caught.value)


@pytest.mark.parametrize("mistaken", ONE_OF_A_KIND, ids=lambda component: component.__name__)
def test_declaring_one_deviation_does_not_hide_another(mistaken):
    HISTORY.clear()
    caught_by = CAUGHT_BY[mistaken]
    other = "recipe_round_trip" if caught_by != "recipe_round_trip" else checks(kind_of(mistaken()))[0].name
    states = {result.check.name: result.state for result in examine(mistaken(), {other: "not relevant"})}
    assert states[caught_by] == "failed"
    assert states[other] in ("unexpected", "expected")


@pytest.mark.parametrize("sound", SOUND, ids=lambda component: component.__module__)
def test_without_its_mistake_a_copy_conforms(sound):
    assert [f"{result.check.name}: {result.message}" for result in examine(sound()) if result.state != "passed"] == []


def test_what_only_the_mixture_shows_is_caught_by_it_alone():
    failed = [result.check.name for result in examine(OneDrawForTheWholeImage()) if result.state == "failed"]
    assert failed == ["mixture"]


def test_every_check_of_every_interface_catches_a_mistake():
    caught = {(kind_of(mistaken()), name) for mistaken, name in CAUGHT_BY.items()}
    assert caught == {(kind, check.name) for kind in GROUPS for check in checks(kind)}


def test_the_documents_state_the_number_of_mistakes(repository):
    for name in ("README.md", "docs/concepts.md"):
        assert f" {len(CAUGHT_BY)} classic mistakes" in " ".join((repository / name).read_text().split()), name
