"""From names in recipes to component classes, by entry points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.registry.allowed import VARIABLE, allow_list, is_first_party
from workbench.registry.asking import place_of, plugin_call
from workbench.registry.discovery import GROUPS, Entry, Kind, find, installed, singular
from workbench.registry.distributions import DamagedMetadata, distribution, entry_points, find_damaged
from workbench.registry.origins import Origin, component_origins, differences
from workbench.registry.plugins import Plugin, State, Trouble, plugins, troubles, unknown_names
from workbench.registry.probe import ProbeResult, probe
from workbench.registry.trust import time_limit

if TYPE_CHECKING:
    from workbench.registry.loading import BASES, load

__all__ = [
    "BASES",
    "GROUPS",
    "VARIABLE",
    "DamagedMetadata",
    "Entry",
    "Kind",
    "Origin",
    "Plugin",
    "ProbeResult",
    "State",
    "Trouble",
    "allow_list",
    "component_origins",
    "differences",
    "distribution",
    "entry_points",
    "find",
    "find_damaged",
    "installed",
    "is_first_party",
    "load",
    "place_of",
    "plugin_call",
    "plugins",
    "probe",
    "singular",
    "time_limit",
    "troubles",
    "unknown_names",
]


def __getattr__(name: str) -> Any:
    # Classes stand on pydantic, names do not: what only lists them starts sooner without it.
    if name in ("BASES", "load"):
        from workbench.registry import loading

        return getattr(loading, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
