"""The contents of the cache folder: how much of it there is, when it was last used, and removing it."""

from __future__ import annotations

import datetime
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from workbench.errors import StorageError
from workbench.files import is_in_use, is_locked

PREPARING = "preparing.lock"  # held by a sweep worker that reads and creates what all workers share
LOCK = ".lock"
# Content by name: its place in the cache folder, and what it is.
KNOWN = {
    "images": ("images", "decoded images"),
    "features": ("features", "features of real images"),
    "labels": ("labels", "labels of real images"),
    "arrays": ("arrays", "arrays of plugins"),
    "downloads": ("downloads", "downloaded files"),
    "weights": ("weights", "weights of feature extractors"),
    "kernels": ("fast_path/kernels", "compiled CPU kernels"),
    "measurements": ("fast_path", "measured speed of implementations"),
    "compiled": ("compiled", "code compiled by torch"),
}


@dataclass(frozen=True)
class Entry:
    """One thing that is stored: a file with its notes, or a folder."""

    paths: tuple[Path, ...]

    @property
    def name(self) -> str:
        """The name of the first file, or of the folder."""
        return self.paths[0].name

    @cached_property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(stat.st_size for _, stat in self._files())

    @cached_property
    def last_used(self) -> datetime.datetime:
        """When one of its files was last read or written, as far as the file system records reading."""
        moments = [max(stat.st_atime, stat.st_mtime) for _, stat in self._files()]
        return datetime.datetime.fromtimestamp(max(moments, default=0.0), datetime.UTC)

    def is_in_use(self) -> bool:
        """True if a process maps or writes one of its files."""
        return any(is_locked(path) if path.name.endswith(LOCK) else is_in_use(path) for path, _ in self._files())

    def remove(self) -> None:
        """Delete it; StorageError if the system does not allow it."""
        try:
            for path in self.paths:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{error.filename or self.paths[0]} cannot be removed: {error.strerror or error}") from error

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self.paths:
            for file in _walk(path):
                try:
                    yield file, file.lstat()
                except FileNotFoundError:  # removed or renamed meanwhile
                    continue


@dataclass(frozen=True)
class Content:
    """Everything of one kind in the cache."""

    name: str
    description: str
    folder: Path
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes of all entries."""
        return sum(entry.size for entry in self.entries)

    @property
    def last_used(self) -> datetime.datetime:
        """When one of the entries was last used."""
        return max(entry.last_used for entry in self.entries)

    def in_use(self) -> list[Entry]:
        """The entries that a process uses now."""
        return [entry for entry in self.entries if entry.is_in_use()]


@dataclass(frozen=True)
class Cleared:
    """The result of `clear`."""

    freed: int  # bytes
    removed: int  # entries
    kept: tuple[Path, ...]  # entries that are in use


def list_contents(cache: Path) -> list[Content]:
    """The contents of a cache folder that are not empty, the known ones first; folders with other names are listed by these."""
    contents = [
        Content(name, description, cache / place, tuple(_entries(cache / place, folders=name != "measurements")))
        for name, (place, description) in KNOWN.items()
    ]
    known = {place.partition("/")[0] for place, _ in KNOWN.values()}
    others = [path for path in _children(cache) if path.is_dir() and path.name not in known]
    contents += [Content(path.name, "stored by a plugin", path, tuple(_entries(path))) for path in others]
    return [content for content in contents if content.entries]


def select_contents(contents: Sequence[Content], names: Iterable[str]) -> list[Content]:
    """The contents of these names; without names, all that the workbench knows: a folder with another name may be of another program.

    Raises StorageError for a name that is neither known nor in the cache.
    """
    wanted = set(names)
    unknown = wanted - {content.name for content in contents} - set(KNOWN)
    if unknown:
        there = ", ".join(content.name for content in contents) or "nothing"
        raise StorageError(f"no content of the cache is called '{min(unknown):.80}'; the cache holds: {there}")
    return [content for content in contents if content.name in (wanted or KNOWN)]


def clear(cache: Path, contents: Iterable[Content]) -> Cleared:
    """Remove the entries of these contents; entries in use are kept.

    Raises StorageError while a sweep worker prepares its data, or if an entry cannot be removed.
    """
    if is_locked(cache / PREPARING):
        raise StorageError(f"{cache} is in use: a sweep worker prepares its data there; try again in a moment")
    freed, removed, kept = 0, 0, []
    for entry in (entry for content in contents for entry in content.entries):
        if entry.is_in_use():
            kept.append(entry.paths[0])
            continue
        freed += entry.size
        entry.remove()
        removed += 1
    return Cleared(freed, removed, tuple(kept))


def _entries(folder: Path, *, folders: bool = True) -> Iterator[Entry]:
    """Subfolders, and files grouped by name without suffix (an array lies next to its notes); lock files are not content."""
    groups: dict[str, list[Path]] = {}
    for path in _children(folder):
        if path.is_dir() and not path.is_symlink():
            if folders:
                yield Entry((path,))
        elif not path.name.endswith(LOCK):
            groups.setdefault(path.stem, []).append(path)
    for paths in groups.values():
        yield Entry(tuple(sorted(paths, key=lambda path: path.suffix, reverse=True)))


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StorageError(f"{folder} cannot be read: {error.strerror or error}") from error


def _walk(path: Path) -> Iterator[Path]:
    if not path.is_dir() or path.is_symlink():
        yield path
        return
    for folder, _, names in os.walk(path):
        yield from (Path(folder) / name for name in names)
