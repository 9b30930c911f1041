"""The distributions that offer components, and the problems that their metadata show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workbench import __version__
from workbench.registry.allowed import VARIABLE, allow_list
from workbench.registry.discovery import Entry, installed
from workbench.registry.distributions import canonical_name
from workbench.registry.kinds import GROUPS, singular
from workbench.registry.versions import CORE, api_range, fits

State = Literal["ok", "not in WB_PLUGINS", "wrong API range", "name claimed twice"]


@dataclass(frozen=True)
class PluginProblem:
    """The reason why a component cannot be used by its name, and a remedy."""

    state: State
    message: str


@dataclass(frozen=True)
class Plugin:
    """An installed distribution and the components that it offers."""

    name: str
    version: str
    api: str  # range of core versions, "" if none is stated
    entries: tuple[Entry, ...]

    @property
    def problems(self) -> list[PluginProblem]:
        """The problems of its components, without repetition."""
        return list(dict.fromkeys(problem for entry in self.entries for problem in plugin_problems(entry)))

    @property
    def states(self) -> list[State]:
        """The states of its components; "ok" alone if there is no problem."""
        return list(dict.fromkeys(problem.state for problem in self.problems)) or ["ok"]


def find_plugins() -> list[Plugin]:
    """Every distribution that offers components, usable or not, sorted by name."""
    entries: dict[tuple[str, str], list[Entry]] = {}
    for kind in GROUPS:
        for entry in installed(kind, hidden=True):
            entries.setdefault((entry.distribution, entry.version), []).append(entry)
    return [
        Plugin(name, version, api_range(entries[name, version][0].requires), tuple(entries[name, version]))
        for name, version in sorted(entries)
    ]


def plugin_problems(entry: Entry) -> list[PluginProblem]:
    """The problems that metadata show with using a component by its name."""
    if not entry.allowed:
        return [PluginProblem("not in WB_PLUGINS", f"add {entry.distribution} to {VARIABLE}, or unset it")]
    problems = []
    if not fits(entry.requires):
        needed = f"{CORE}{api_range(entry.requires)}"
        message = f"made for {needed}, this is {__version__}: pip install --upgrade {entry.distribution}"
        problems.append(PluginProblem("wrong API range", message))
    rivals = [other.distribution for other in installed(entry.kind) if other.name == entry.name and other != entry]
    if rivals:
        message = f"{singular(entry.kind)} '{entry.name}' is also offered by {', '.join(rivals)}: use '{entry.qualified}'"
        problems.append(PluginProblem("name claimed twice", message))
    return problems


def unknown_names() -> list[str]:
    """Names in WB_PLUGINS for which no distribution with components is installed."""
    names = {canonical_name(plugin.name) for plugin in find_plugins()}
    return sorted((allow_list() or frozenset()) - names)
