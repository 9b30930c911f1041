"""The versions of the core that a distribution is made for, from its metadata."""

from __future__ import annotations

from collections.abc import Iterable

from packaging.requirements import InvalidRequirement, Requirement

from workbench import __version__
from workbench.registry.distributions import canonical_name

CORE = "diffusion-workbench"


def api_range(requires: Iterable[str]) -> str:
    """The range of core versions in a distribution's requirements, e.g. `>=0.1,<0.2`; "" if none is stated."""
    parts = [part for requirement in _core_requirements(requires) for part in requirement.specifier]
    return ",".join(sorted(map(str, parts), key=lambda part: (part.startswith("<"), part)))


def fits(requires: Iterable[str], version: str = __version__) -> bool:
    """True if this core is in the range."""
    return all(requirement.specifier.contains(version, prereleases=True) for requirement in _core_requirements(requires))


def _core_requirements(requires: Iterable[str]) -> list[Requirement]:
    requirements = []
    for text in requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue  # pip refuses such a package; its range is unknown
        if canonical_name(requirement.name) != CORE:
            continue
        # A requirement of an extra does not apply unless the extra was requested.
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            requirements.append(requirement)
    return requirements
