"""The distributions that offer components, and what metadata alone says is wrong with them."""

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
    """Why a component cannot be used by its name, and what would help."""

    state: State
    message: str


@dataclass(frozen=True)
class Plugin:
    """An installed distribution and the components it offers."""

    name: str
    version: str
    api: str  # range of core versions, "" where none is stated
    entries: tuple[Entry, ...]

    @property
    def troubles(self) -> list[PluginProblem]:
        """What is wrong with any of its components, each said once."""
        return list(dict.fromkeys(trouble for entry in self.entries for trouble in plugin_problems(entry)))

    @property
    def states(self) -> list[State]:
        """The states of its components, ("ok") where nothing is wrong."""
        return list(dict.fromkeys(trouble.state for trouble in self.troubles)) or ["ok"]


def find_plugins() -> list[Plugin]:
    """Every distribution that offers components, whether it can be used or not, sorted by name."""
    found: dict[tuple[str, str], list[Entry]] = {}
    for kind in GROUPS:
        for entry in installed(kind, hidden=True):
            found.setdefault((entry.distribution, entry.version), []).append(entry)
    return [
        Plugin(name, version, api_range(found[name, version][0].requires), tuple(found[name, version]))
        for name, version in sorted(found)
    ]


def plugin_problems(entry: Entry) -> list[PluginProblem]:
    """What metadata says against using a component by its name."""
    if not entry.allowed:
        return [PluginProblem("not in WB_PLUGINS", f"add {entry.distribution} to {VARIABLE}, or unset it")]
    found = []
    if not fits(entry.requires):
        wanted = f"{CORE}{api_range(entry.requires)}"
        message = f"made for {wanted}, this is {__version__}: pip install --upgrade {entry.distribution}"
        found.append(PluginProblem("wrong API range", message))
    rivals = [other.distribution for other in installed(entry.kind) if other.name == entry.name and other != entry]
    if rivals:
        message = f"{singular(entry.kind)} '{entry.name}' is also offered by {', '.join(rivals)}: use '{entry.qualified}'"
        found.append(PluginProblem("name claimed twice", message))
    return found


def unknown_names() -> list[str]:
    """Names in WB_PLUGINS that no installed distribution with components has."""
    known = {canonical_name(plugin.name) for plugin in find_plugins()}
    return sorted((allow_list() or frozenset()) - known)
