"""The files of an installed distribution: their hash for records, their sizes and times to notice a change."""

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
EXCLUDED = ("__pycache__", ".pyc", ".pyo", ".pth", ".dist-info")


@functools.cache
def content_hash(name: str) -> str:
    """SHA-256 over the paths and bytes of a distribution's files: equal code has an equal hash, however it was installed.

    The files are those of its RECORD; for an editable install, those of the packages that its entry points name. The two agree for
    distributions whose wheel holds these packages completely, and nothing else. "" if the distribution or its files cannot be found.
    """
    try:
        metadata = distribution(name)
    except PackageNotFoundError:
        return ""
    files = {} if _is_editable(metadata) else dict(_recorded_files(metadata))
    files = files or dict(_package_files(metadata))
    digest = hashlib.sha256()
    for relative in sorted(files):
        digest.update(f"{relative}\0{_sha256(files[relative])}\n".encode())
    return digest.hexdigest() if files else ""


def fingerprint(name: str) -> str:
    """A value that changes when another build of a distribution is installed or, for an editable install, when one of its files changes.

    It is the hash of the RECORD, which holds the hashes of the installed files; without a RECORD and for an editable install, of the paths,
    sizes and modification times of the files. "" if the distribution or its files cannot be found.
    """
    try:
        metadata = distribution(name)
    except PackageNotFoundError:
        return ""
    record = metadata.read_text("RECORD")
    if record and not _is_editable(metadata):
        return hashlib.sha256(record.encode()).hexdigest()
    files = [path for _, path in _package_files(metadata)]
    digest = hashlib.sha256()
    for path in files:
        with contextlib.suppress(OSError):  # deleted meanwhile, which is a change too
            status = path.stat()
            digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest() if files else ""


def module_path(module: str) -> Path | None:
    """The file of a module, found without importing it or its packages; None if there is none."""
    top, *rest = module.split(".")
    for place in _places(top):
        if not rest and place.is_file():
            return place
        for path in (place.joinpath(*rest, "__init__.py"), place.joinpath(*rest).with_suffix(".py")):
            if path.is_file():
                return path
    return None


def _is_editable(metadata: Distribution) -> bool:
    """True if the code is elsewhere (PEP 610). The RECORD may name modules all the same: finders that lead to it."""
    try:
        origin = json.loads(metadata.read_text("direct_url.json") or "{}")
    except ValueError:
        return False
    return isinstance(origin, dict) and bool((origin.get("dir_info") or {}).get("editable"))


def _recorded_files(metadata: Distribution) -> Iterator[tuple[str, Path]]:
    for file in metadata.files or ():
        # Files outside the packages folder (scripts) are made by the installer.
        if ".." not in file.parts and _is_included(file.parts):
            yield file.as_posix(), Path(str(file.locate()))


def _package_files(metadata: Distribution) -> Iterator[tuple[str, Path]]:
    groups = {f"workbench.{kind}" for kind in GROUPS}
    tops = {point.module.partition(".")[0] for point in metadata.entry_points if point.group in groups}
    for top in sorted(tops):
        for place in _places(top):
            paths: Iterable[Path] = (path for path in sorted(place.rglob("*")) if path.is_file()) if place.is_dir() else [place]
            for path in paths:
                relative = path.relative_to(place.parent)
                if _is_included(relative.parts):
                    yield relative.as_posix(), path


def _places(top: str) -> list[Path]:
    """The folders or the file of a top-level module, found without importing it."""
    spec = None
    with contextlib.suppress(ImportError, ValueError):
        spec = importlib.util.find_spec(top)
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return [Path(place) for place in spec.submodule_search_locations]
    return [Path(spec.origin)] if spec.origin else []


def _is_included(parts: tuple[str, ...]) -> bool:
    return not any(part.endswith(EXCLUDED) for part in parts)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except OSError:
        return "missing"
    return digest.hexdigest()
