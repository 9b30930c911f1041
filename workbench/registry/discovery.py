"""Which components are installed: read from metadata, nothing is imported."""

from __future__ import annotations

import difflib
import functools
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Literal, get_args

from workbench.errors import AmbiguousComponent, UnknownComponent

__all__ = ["GROUPS", "Entry", "Kind", "find", "installed"]

Kind = Literal["schedules", "denoisers", "samplers", "datasets", "features"]
GROUPS: tuple[Kind, ...] = get_args(Kind)

# Where to look when a recipe names what is not installed.
FIRST_PARTY = "diffusion-workbench-{kind}"


@dataclass(frozen=True)
class Entry:
    """One component as its distribution announces it."""

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


def installed(kind: Kind) -> list[Entry]:
    """Every component of a kind, sorted by name."""
    return list(_installed(kind))


@functools.lru_cache(maxsize=len(GROUPS))
def _installed(kind: Kind) -> tuple[Entry, ...]:
    # An editable install beside a wheel of the same distribution announces itself twice.
    entries = {_entry(kind, point) for point in entry_points(group=f"workbench.{kind}")}
    return tuple(sorted(entries, key=lambda entry: (entry.name, entry.distribution)))


def _entry(kind: Kind, point: EntryPoint) -> Entry:
    dist = point.dist
    if dist is None:
        return Entry(kind, point.name, "unknown", "0", point.value, ())
    return Entry(kind, point.name, dist.name, dist.version, point.value, tuple(dist.requires or ()))


def find(kind: Kind, name: str) -> Entry:
    """The entry that `name` or `distribution:name` stands for; UnknownComponent or AmbiguousComponent otherwise."""
    claims = [entry for entry in installed(kind) if name in (entry.name, entry.qualified)]
    if len(claims) == 1:
        return claims[0]
    if claims:
        choices = " or ".join(f"'{entry.qualified}'" for entry in claims)
        raise AmbiguousComponent(f"{len(claims)} installed packages offer {_singular(kind)} '{name}': use {choices}")
    raise UnknownComponent(_unknown(kind, name))


def _unknown(kind: Kind, name: str) -> str:
    names = sorted({entry.name for entry in installed(kind)})
    if not names:
        return f"no {kind} are installed: pip install {FIRST_PARTY.format(kind=kind)}"
    close = difflib.get_close_matches(name, names, n=1)
    guess = f" (did you mean '{close[0]}'?)" if close else ""
    return f"no {_singular(kind)} is called '{name}'{guess}\n    installed: {', '.join(names)}  (wb list {kind})"


def _singular(kind: Kind) -> str:
    return {"features": "feature extractor"}.get(kind, kind.removesuffix("s"))
