"""The installed components, read from metadata: nothing is imported."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint

from workbench.errors import AmbiguousComponent, UnknownComponent
from workbench.nearest import suggest
from workbench.registry.allowed import VARIABLE, is_allowed
from workbench.registry.distributions import canonical_name, entry_points, find_damaged
from workbench.registry.kinds import GROUPS, Kind, singular

FIRST_PARTY = "diffusion-workbench-{kind}"  # the package to install when a recipe names a missing component


@dataclass(frozen=True)
class Entry:
    """One component as its distribution declares it."""

    kind: Kind
    name: str
    distribution: str
    version: str
    target: str  # "package.module:Class"
    requires: tuple[str, ...]

    @property
    def qualified(self) -> str:
        """`distribution:name`, which no other distribution can claim."""
        return f"{self.distribution}:{self.name}"

    @property
    def allowed(self) -> bool:
        """True if WB_PLUGINS does not exclude the component."""
        return is_allowed(self.distribution)

    def matches(self, name: str) -> bool:
        """True if `name` or `distribution:name` means this component; a distribution may be spelled as pip allows."""
        distribution, colon, own = name.rpartition(":")
        return own == self.name and (not colon or canonical_name(distribution) == canonical_name(self.distribution))


def installed(kind: Kind, hidden: bool = False) -> list[Entry]:
    """Every component of a kind that can be used, sorted by name; with `hidden`, also those that WB_PLUGINS excludes."""
    return [entry for entry in _installed()[kind] if hidden or entry.allowed]


@functools.cache
def _installed() -> Mapping[Kind, tuple[Entry, ...]]:
    kinds: dict[str, Kind] = {f"workbench.{kind}": kind for kind in GROUPS}
    # An editable install next to a wheel of the same distribution declares its components twice.
    entries = {_entry(kinds[point.group], point) for point in entry_points() if point.group in kinds}
    by_name = sorted(entries, key=lambda entry: (entry.name, entry.distribution))
    return {kind: tuple(entry for entry in by_name if entry.kind == kind) for kind in GROUPS}


def _entry(kind: Kind, point: EntryPoint) -> Entry:
    dist = point.dist
    if dist is None:
        return Entry(kind, point.name, "unknown", "0", point.value, ())
    return Entry(kind, point.name, dist.name, dist.version, point.value, tuple(dist.requires or ()))


def find(kind: Kind, name: str) -> Entry:
    """The component called `name` or `distribution:name`; UnknownComponent if there is none, AmbiguousComponent if there are several."""
    claims = [entry for entry in installed(kind) if entry.matches(name)]
    if len(claims) == 1:
        return claims[0]
    if claims:
        choices = " or ".join(f"'{entry.qualified}'" for entry in claims)
        raise AmbiguousComponent(f"{len(claims)} installed packages offer {singular(kind)} '{name}': use {choices}")
    raise UnknownComponent(_unknown(kind, name))


def suggest_component(name: str) -> str:
    """ " (did you mean 'x'?)" with the nearest name of any kind, or ""."""
    return suggest(name, [entry.name for kind in GROUPS for entry in installed(kind)])


def _unknown(kind: Kind, name: str) -> str:
    for entry in installed(kind, hidden=True):
        if entry.matches(name):
            return (
                f"{singular(kind)} '{name}' is installed, but {VARIABLE} does not name its package: "
                f"add {entry.distribution} to {VARIABLE}, or unset it"
            )
    names = sorted({entry.name for entry in installed(kind)})
    damaged = "".join(
        f"\n    {row.path} cannot be used: {row.reason}  (wb doctor)" for row in find_damaged() if not row.has_sound
    )
    if not names:
        return f"no {kind} are installed: pip install {FIRST_PARTY.format(kind=kind)}{damaged}"
    return f"no {singular(kind)} is called {name!r:.80}{suggest(name, names)}\n    installed: {', '.join(names)}  (wb list {kind}){damaged}"
