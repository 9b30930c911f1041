"""Guessing what was meant."""

from __future__ import annotations

import difflib

from workbench.registry import GROUPS, installed


def nearest_components(name: str) -> str:
    """ " (did you mean 'x'?)" or nothing."""
    names = [entry.name for kind in GROUPS for entry in installed(kind)]
    close = difflib.get_close_matches(name, names, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
