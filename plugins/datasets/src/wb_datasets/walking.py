"""Everything below a folder: links are followed, and what other programs store there is left out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from workbench.interfaces import DataError

FOREIGN = "stored by another program"
# Reserved names of operating systems, network storage and tools, in small letters. Hidden folders are left out by their dot.
_RESERVED = frozenset(
    {
        "__macosx", "@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "lost+found",
        "$recycle.bin", "system volume information", "__pycache__",
    }
)  # fmt: skip
_MOST_LINKS = 50_000  # folders that link to one another can be entered in more orders than there is time for

Identity = tuple[int, int]  # device and inode


class Seen(NamedTuple):
    """A file or folder, and why nothing is read from it; "" if it is an ordinary one."""

    path: Path
    left_out: str = ""


def is_foreign(name: str) -> bool:
    """True for the reserved name of a folder of another program, and for what macOS stores next to a file ("._a.png")."""
    return name.casefold() in _RESERVED or name.startswith("._")


def walk(base: Path, root: Path) -> Iterator[Seen]:
    """Everything below `base`, a folder in `root`. Links to folders are followed, unless they lead to a folder that contains them."""
    links = 0
    waiting = [(base, _identities(base) | _identities(root))]
    while waiting:
        folder, above = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            yield Seen(folder, f"cannot be read ({error.strerror})")
            continue
        for entry in entries:
            path = folder / entry.name
            if is_foreign(entry.name):
                yield Seen(path, FOREIGN)
            elif entry.is_symlink() and leads_nowhere(path):
                yield Seen(path, "a link that leads nowhere")
            elif entry.name.startswith(".") or not _is_folder(entry):
                yield Seen(path)
            elif (here := _identity(path)) in above:
                yield Seen(path, "a link to a folder that contains it")
            else:
                yield Seen(path)
                waiting.append((path, above | {here}))
                links += entry.is_symlink()
                if links > _MOST_LINKS:
                    raise DataError(
                        f"more than {_MOST_LINKS:,} links to folders under {base.absolute()}: they lead into one another"
                    )


def leads_nowhere(path: Path) -> bool:
    """True if `path` is a link whose target does not exist, or which leads to itself."""
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
    whole = folder.resolve()
    return frozenset(_identity(each) for each in (whole, *whole.parents))


def _identity(folder: Path) -> Identity:
    about = folder.stat()
    return about.st_dev, about.st_ino
