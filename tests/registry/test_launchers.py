"""Launchers are a kind like the others: one allow-list, one version range, one message for a misspelled name."""

import pytest

from workbench.errors import BrokenComponent, RecipeError, UnknownComponent
from workbench.registry import find_plugins
from workbench.sweep.launching import launcher_of

LAUNCHER = """
from pydantic import Field
from workbench.interfaces import Launcher
class Mine(Launcher):
    queue: str = Field("short", description="where jobs wait")
    def launch(self, command, environment, count, folder):
        return []
"""


def test_a_third_party_launcher_is_built_from_its_settings(site):
    site.install(code=LAUNCHER, kind="launchers")
    assert launcher_of("mine", ["queue=long"]).queue == launcher_of("acme:mine", ["queue=long"]).queue == "long"
    (plugin,) = [plugin for plugin in find_plugins() if plugin.name == "acme"]
    assert (plugin.states, [(entry.kind, entry.name) for entry in plugin.entries]) == (["ok"], [("launchers", "mine")])


def test_a_launcher_outside_the_allow_list_cannot_be_named(site, monkeypatch):
    site.install(code=LAUNCHER, kind="launchers")
    monkeypatch.setenv("WB_PLUGINS", "")
    with pytest.raises(UnknownComponent, match="launcher 'mine' is installed, but WB_PLUGINS does not name its package"):
        launcher_of("mine", [])


def test_a_launcher_for_another_core_is_refused_before_it_is_imported(site):
    site.install(code="raise RuntimeError('imported')", kind="launchers", requires="diffusion-workbench>=7")
    with pytest.raises(BrokenComponent, match="made for diffusion-workbench>=7"):
        launcher_of("mine", [])


def test_a_class_that_is_not_a_launcher_is_refused(site):
    site.install(code="class Mine: pass", kind="launchers")
    with pytest.raises(BrokenComponent, match="Launcher"):
        launcher_of("mine", [])


def test_misspelled_names_and_fields_have_suggestions(site):
    site.install(code=LAUNCHER, kind="launchers")
    with pytest.raises(UnknownComponent, match=r"no launcher is called 'min' \(did you mean 'mine'\?\)"):
        launcher_of("min", [])
    with pytest.raises(RecipeError, match=r"--launcher-set: launcher\.queu: no such field of 'mine' \(did you mean 'queue'\?"):
        launcher_of("mine", ["queu=long"])
