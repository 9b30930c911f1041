"""The distributions whose components can be used: all that are installed, or those that WB_PLUGINS names."""

from __future__ import annotations

import os
from collections.abc import Mapping

from workbench.registry.distributions import canonical_name

VARIABLE = "WB_PLUGINS"
FIRST_PARTY_PREFIX = "diffusion-workbench-"


def allow_list(environ: Mapping[str, str] = os.environ) -> frozenset[str] | None:
    """The distributions that WB_PLUGINS names, in canonical spelling; None if it is unset, empty if it is set to nothing."""
    text = environ.get(VARIABLE)
    if text is None:
        return None
    return frozenset(canonical_name(name.strip()) for name in text.split(",") if name.strip())


def is_first_party(distribution: str) -> bool:
    """True if the name has the project's prefix, which the documentation reserves for its own distributions."""
    return canonical_name(distribution).startswith(FIRST_PARTY_PREFIX)


def is_allowed(distribution: str, environ: Mapping[str, str] = os.environ) -> bool:
    """True if a distribution's components can be named in recipes; first-party ones always can."""
    names = allow_list(environ)
    return names is None or is_first_party(distribution) or canonical_name(distribution) in names
