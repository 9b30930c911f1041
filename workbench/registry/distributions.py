"""Installed distributions with readable metadata; leftovers of interrupted installations are skipped."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, EntryPoints, PackageNotFoundError
from pathlib import Path

from packaging.utils import canonicalize_name

GROUP_PREFIX = "workbench."

_NAME = re.compile(r"^Name:[ \t]*(\S+)", re.MULTILINE)
_VERSION = re.compile(r"^Version:[ \t]*\S", re.MULTILINE)


def canonical_name(name: str) -> str:
    """The spelling in which names of distributions are compared: lower case, single hyphens."""
    return str(canonicalize_name(name))


@dataclass(frozen=True)
class DamagedMetadata:
    """A metadata folder that cannot be used, e.g. an empty one: pip creates the folder first and fills it last."""

    path: Path
    name: str  # of the distribution, from the folder's name
    reason: str
    has_sound: bool  # True if another metadata folder of the same distribution can be read


def entry_points() -> Iterator[EntryPoint]:
    """The entry points of the workbench's groups; of several distributions with one name, those of the first on sys.path.

    `importlib.metadata.entry_points` also reads the first one only, but takes an empty `.dist-info` for it and so finds nothing.
    """
    names = set[str]()
    for metadata in Distribution.discover():
        text = _text(metadata, "entry_points.txt")
        name = _name(metadata) if f"[{GROUP_PREFIX}" in text else None
        points = None if name is None or name in names else _parse(metadata)
        if name is not None and points is not None:
            names.add(name)
            yield from (point for point in points if point.group.startswith(GROUP_PREFIX))


def distribution(name: str) -> Distribution:
    """The first distribution of that name with usable metadata; PackageNotFoundError if there is none."""
    for metadata in Distribution.discover(name=name):
        if not _damage(metadata):
            return metadata
    raise PackageNotFoundError(name)


def find_damaged() -> list[DamagedMetadata]:
    """Metadata folders on sys.path that cannot be used, or describe a distribution a second time, sorted by path."""
    rows, seen = list[DamagedMetadata](), dict[tuple[Path, str], Path]()
    for path in sorted({path for place in sys.path for path in _metadata_folders(Path(place or "."))}):
        name = canonical_name(path.name.removesuffix(".dist-info").partition("-")[0])
        first = seen.setdefault((path.parent, name), path) if not (reason := _damage(Distribution.at(path))) else path
        if first != path:
            reason = f"{first.name} in the same folder describes it too"
        if reason:
            rows.append(
                DamagedMetadata(path, name, reason, any(not _damage(other) for other in Distribution.discover(name=name)))
            )
    return rows


def _damage(metadata: Distribution) -> str:
    """The fault of the metadata; "" if there is none."""
    if _name(metadata) is None:
        return "its METADATA has no name and version"
    if f"[{GROUP_PREFIX}" in _text(metadata, "entry_points.txt") and _parse(metadata) is None:
        return "its entry_points.txt is not valid"
    return ""


def _metadata_folders(place: Path) -> list[Path]:
    try:
        # pip marks folders that it is about to delete with "~"; Python does not read those either.
        return [path for path in place.glob("*.dist-info") if path.is_dir() and not path.name.startswith("~")]
    except OSError:
        return []


def _name(metadata: Distribution) -> str | None:
    """The canonical name; None if the metadata lack it or the version."""
    text = _text(metadata, "METADATA") or _text(metadata, "PKG-INFO")
    name = _NAME.search(text)
    return canonical_name(name[1]) if name and _VERSION.search(text) else None


def _text(metadata: Distribution, file: str) -> str:
    try:
        return metadata.read_text(file) or ""
    except (OSError, ValueError):  # ValueError: bytes that are not UTF-8
        return ""


def _parse(metadata: Distribution) -> EntryPoints | None:
    try:
        return metadata.entry_points
    except (TypeError, ValueError):  # a line without "="
        return None
