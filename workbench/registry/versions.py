"""Which versions of the core a distribution is made for, as its metadata says."""

from __future__ import annotations

from collections.abc import Iterable

from packaging.requirements import InvalidRequirement, Requirement

from workbench import __version__
from workbench.registry.distributions import canonical_name

CORE = "diffusion-workbench"


def api_range(requires: Iterable[str]) -> str:
    """The range of core versions in a distribution's requirements, e.g. `>=0.1,<0.2`; "" where none is stated."""
    parts = [part for requirement in _on_core(requires) for part in requirement.specifier]
    return ",".join(sorted(map(str, parts), key=lambda part: (part.startswith("<"), part)))


def fits(requires: Iterable[str], version: str = __version__) -> bool:
    """Whether this core is in the range."""
    return all(each.specifier.contains(version, prereleases=True) for each in _on_core(requires))


def _on_core(requires: Iterable[str]) -> list[Requirement]:
    found = []
    for text in requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue  # pip refuses such a package; what it is made for cannot be known
        if canonical_name(requirement.name) != CORE:
            continue
        # What an extra asks for binds nobody who did not ask for the extra.
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found.append(requirement)
    return found
