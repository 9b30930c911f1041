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


@pytest.mark.parametrize("mistaken", CAUGHT_BY, ids=lambda each: each.__name__)
def test_the_mistake_is_caught_by_name(mistaken):
    HISTORY.clear()
    component, name = mistaken(), CAUGHT_BY[mistaken]
    (check,) = [check for check in checks(kind_of(component)) if check.name == name]
    with pytest.raises(Exception) as caught:  # noqa: PT011 - what it says is looked at
        check.run(component)
    assert isinstance(caught.value, AssertionError), "a mistake is told, not stumbled over"
    assert str(caught.value)


@pytest.mark.parametrize("mistaken", ONE_OF_A_KIND, ids=lambda each: each.__name__)
def test_a_mistake_does_not_hide_behind_a_declaration_of_another(mistaken):
    HISTORY.clear()
    caught_by = CAUGHT_BY[mistaken]
    other = "recipe_round_trip" if caught_by != "recipe_round_trip" else checks(kind_of(mistaken()))[0].name
    outcomes = {each.check.name: each.state for each in examine(mistaken(), {other: "of no importance"})}
    assert outcomes[caught_by] == "failed"
    assert outcomes[other] in ("unexpected", "expected")


@pytest.mark.parametrize("sound", SOUND, ids=lambda each: each.__module__)
def test_without_its_mistake_a_copy_conforms(sound):
    assert [f"{each.check.name}: {each.message}" for each in examine(sound()) if each.state != "passed"] == []


def test_what_only_the_mixture_shows_is_caught_by_it_alone():
    failed = [each.check.name for each in examine(OneDrawForTheWholeImage()) if each.state == "failed"]
    assert failed == ["mixture"]


def test_every_check_of_every_interface_catches_a_mistake():
    caught = {(kind_of(mistaken()), name) for mistaken, name in CAUGHT_BY.items()}
    assert caught == {(kind, check.name) for kind in GROUPS for check in checks(kind)}


def test_the_documents_tell_how_many_there_are(repository):
    for name in ("README.md", "docs/concepts.md"):
        assert f" {len(CAUGHT_BY)} classic mistakes" in " ".join((repository / name).read_text().split()), name
