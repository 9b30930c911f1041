"""The files and folders below a folder: links are followed, files of other programs are left out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from workbench.interfaces import DataError

FOREIGN = "stored by another program"
# Reserved names of operating systems, network storage and tools, in lower case. Hidden folders are left out because of their dot.
_RESERVED = frozenset(
    {
        "__macosx", "@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "lost+found",
        "$recycle.bin", "system volume information", "__pycache__",
    }
)  # fmt: skip
_MOST_LINKS = 50_000  # the paths through folders that link to each other grow exponentially

Identity = tuple[int, int]  # device and inode


class Item(NamedTuple):
    """A file or folder, and the reason why nothing is read from it; "" for an ordinary one."""

    path: Path
    left_out: str = ""


def is_foreign(name: str) -> bool:
    """True for the reserved name of a folder of another program, and for what macOS stores next to a file ("._a.png")."""
    return name.casefold() in _RESERVED or name.startswith("._")


def walk(base: Path, root: Path) -> Iterator[Item]:
    """Yield all files and folders below `base`, a folder in `root`. Links to folders are followed unless their target contains them."""
    links = 0
    waiting = [(base, _identities(base) | _identities(root))]
    while waiting:
        folder, above = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            yield Item(folder, f"cannot be read ({error.strerror})")
            continue
        for entry in entries:
            path = folder / entry.name
            if is_foreign(entry.name):
                yield Item(path, FOREIGN)
            elif entry.is_symlink() and is_dangling_link(path):
                yield Item(path, "a link that leads nowhere")
            elif entry.name.startswith(".") or not _is_folder(entry):
                yield Item(path)
            elif (here := _identity(path)) in above:
                yield Item(path, "a link to a folder that contains it")
            else:
                yield Item(path)
                waiting.append((path, above | {here}))
                links += entry.is_symlink()
                if links > _MOST_LINKS:
                    raise DataError(
                        f"more than {_MOST_LINKS:,} links to folders under {base.absolute()}: they lead into each other"
                    )


def is_dangling_link(path: Path) -> bool:
    """True if `path` is a link whose target does not exist, or is the link itself."""
    try:
        return path.is_symlink() and not path.exists()
    except OSError:
        return False


def is_loop(path: Path, root: Path) -> bool:
    """True if `path` is a link to `root` or to a folder above it."""
    return path.is_symlink() and _identity(path) in _identities(root)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link into a folder that cannot be read
        return False


def _identities(folder: Path) -> frozenset[Identity]:
    """The folder and all folders above it."""
    path = folder.resolve()
    return frozenset(_identity(parent) for parent in (path, *path.parents))


def _identity(folder: Path) -> Identity:
    status = folder.stat()
    return status.st_dev, status.st_ino
