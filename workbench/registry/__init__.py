"""From names in recipes to component classes, by entry points."""

from workbench.registry.allowed import VARIABLE, allow_list, is_first_party
from workbench.registry.asking import asked
from workbench.registry.discovery import GROUPS, Entry, Kind, find, installed, singular
from workbench.registry.loading import BASES, load
from workbench.registry.origins import Origin, differences, origins
from workbench.registry.plugins import Plugin, State, Trouble, plugins, troubles, unknown_names
from workbench.registry.probe import Finding, probe
from workbench.registry.trust import time_limit

__all__ = [
    "BASES",
    "GROUPS",
    "VARIABLE",
    "Entry",
    "Finding",
    "Kind",
    "Origin",
    "Plugin",
    "State",
    "Trouble",
    "allow_list",
    "asked",
    "differences",
    "find",
    "installed",
    "is_first_party",
    "load",
    "origins",
    "plugins",
    "probe",
    "singular",
    "time_limit",
    "troubles",
    "unknown_names",
]
