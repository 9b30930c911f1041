"""From names in recipes to component classes, by entry points."""

from workbench.registry.discovery import GROUPS, Entry, Kind, find, installed
from workbench.registry.loading import load

__all__ = ["GROUPS", "Entry", "Kind", "find", "installed", "load"]
