"""The very code of a distribution, as one number."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import json
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

from workbench.registry.distributions import distribution
from workbench.registry.kinds import GROUPS

BLOCK = 1 << 20
LEFT_OUT = ("__pycache__", ".pyc", ".pyo", ".pth", ".dist-info")


@functools.cache
def content_hash(name: str) -> str:
    """SHA-256 over the paths and bytes of a distribution's files: equal code has an equal hash, however it was installed.

    The files are those of its RECORD; of an editable install those of the packages its entry points lie in, so that the two agree for
    distributions whose wheel holds these packages, whole, and nothing else. "" where the distribution or its files cannot be found.
    """
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return ""
    files = {} if _is_editable(found) else dict(_recorded(found))
    files = files or dict(_packaged(found))
    digest = hashlib.sha256()
    for relative in sorted(files):
        digest.update(f"{relative}\0{_sha256(files[relative])}\n".encode())
    return digest.hexdigest() if files else ""


def _is_editable(found: Distribution) -> bool:
    """Whether its code lies elsewhere (PEP 610). Its RECORD may name modules all the same: finders that lead there."""
    try:
        origin = json.loads(found.read_text("direct_url.json") or "{}")
    except ValueError:
        return False
    return isinstance(origin, dict) and bool((origin.get("dir_info") or {}).get("editable"))


def _recorded(found: Distribution) -> Iterator[tuple[str, Path]]:
    for file in found.files or ():
        # What lies outside the packages folder (scripts) is made by the installer.
        if ".." not in file.parts and _counts(file.parts):
            yield file.as_posix(), Path(str(file.locate()))


def _packaged(found: Distribution) -> Iterator[tuple[str, Path]]:
    groups = {f"workbench.{kind}" for kind in GROUPS}
    tops = {point.module.partition(".")[0] for point in found.entry_points if point.group in groups}
    for top in sorted(tops):
        for place in _places(top):
            inside: Iterable[Path] = (path for path in sorted(place.rglob("*")) if path.is_file()) if place.is_dir() else [place]
            for path in inside:
                relative = path.relative_to(place.parent)
                if _counts(relative.parts):
                    yield relative.as_posix(), path


def _places(top: str) -> list[Path]:
    """The folders or the file of a top-level module, which is not imported for it."""
    spec = None
    with contextlib.suppress(ImportError, ValueError):
        spec = importlib.util.find_spec(top)
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return [Path(place) for place in spec.submodule_search_locations]
    return [Path(spec.origin)] if spec.origin else []


def _counts(parts: tuple[str, ...]) -> bool:
    return not any(part.endswith(LEFT_OUT) for part in parts)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except OSError:
        return "missing"
    return digest.hexdigest()
