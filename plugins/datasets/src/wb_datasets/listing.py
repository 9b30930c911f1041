"""Folders of image files: which there are, and which split and class they belong to."""

from __future__ import annotations

import hashlib
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wb_datasets.decoding import SUFFIXES
from workbench.interfaces import DataError, Split

TEST_SHARE = 0.1
UNREAD = frozenset(
    {".arw", ".cr2", ".cr3", ".dng", ".heic", ".heif", ".j2k", ".jp2", ".jxl", ".nef", ".orf", ".psd", ".raf", ".svg", ".tga"}
)


@dataclass(frozen=True)
class Listing:
    """The image files of a split, what else bears the name of one, and what a reader should know about the rest."""

    root: Path
    files: tuple[Path, ...]
    labels: tuple[int, ...] | None
    classes: tuple[str, ...]
    refused: tuple[str, ...] = ()  # "name: reason"
    notes: tuple[str, ...] = ()


def existing(root: Path) -> Path:
    """The folder `root`; DataError where there is none."""
    name = f"'{printable(str(root)):.200}'"
    try:
        if root.is_dir():
            next(root.iterdir(), None)  # it may be seen and not looked into
            return root
        is_file = root.is_file()
    except OSError as error:
        raise DataError(f"{name} cannot be read ({error.strerror})") from error
    if is_file:
        raise DataError(f"{name} is a file, not a folder")
    raise DataError(f"no folder {name}")


def class_names(root: Path) -> tuple[str, ...]:
    """The classes: folders directly under `root`, or under its train folder; none where images lie there directly."""
    base = root / "train" if (root / "train").is_dir() else root
    seen = [path for path in base.iterdir() if not path.name.startswith(".")]
    if any(_is_named_like_one(path) and path.is_file() for path in seen):
        return ()
    return tuple(sorted(printable(path.name) for path in seen if path.is_dir()))


def list_images(root: Path, split: Split) -> Listing:
    """The images of a split: root/train and root/test where they exist, else a fixed tenth by file name is the test split."""
    classes = class_names(root)
    given = (root / "train").is_dir()
    base = root / split if given else root
    if given and not base.is_dir():  # a train folder alone: its own tenth is held out
        base, given = root / "train", False
    below = sorted(_visible(base))
    named = [path for path in below if _is_named_like_one(path) and not _holds_files(path)]
    why = {path: reason for path in named if (reason := _why_not(path)) is not None}
    notes = _unread(base, below)
    if not named:
        hint = "".join(f"; {note}" for note in notes)
        raise DataError(f"no images under {base.absolute()} (looked for {', '.join(sorted(SUFFIXES))}){hint}")

    def of_split(paths: list[Path]) -> list[Path]:
        return paths if given else [path for path in paths if _held_out(path.relative_to(base)) == (split == "test")]

    found = [path for path in named if path not in why]
    files = of_split(found) or found  # too few for a tenth
    refused = tuple(f"{printable(path.relative_to(base).as_posix())}: {why[path]}" for path in of_split(list(why)))
    labels = tuple(_label(path.relative_to(base), classes, base) for path in files) if classes else None
    return Listing(base, tuple(files), labels, classes, refused, notes)


def printable(name: str) -> str:
    """A file's name in one line that every terminal and file can hold: bytes that are no text, line breaks and the like are escaped."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in name)


def _visible(base: Path) -> Iterator[Path]:
    """Everything below; not what lies in hidden folders, where programs keep thumbnails and what was deleted."""
    for path in base.rglob("*"):
        if not any(part.startswith(".") for part in path.relative_to(base).parts[:-1]):
            yield path


def _is_named_like_one(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _holds_files(path: Path) -> bool:
    try:
        return any(True for _ in path.iterdir())
    except OSError:
        return False


def _why_not(path: Path) -> str | None:
    """Why something that is named like an image is none; asked before it is opened, for a pipe would be waited for."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return "a link that leads nowhere" if path.is_symlink() else f"cannot be read ({error.strerror})"
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISDIR(mode):
        return "an empty folder, not a file"
    return "a pipe, a device or a socket, not a file"


def _unread(base: Path, below: list[Path]) -> tuple[str, ...]:
    """What is said of pictures of kinds that are not read: one line per kind."""
    found = [path for path in below if path.suffix.lower() in UNREAD]
    first = {path.suffix.lower(): path.relative_to(base).as_posix() for path in reversed(found)}
    count = Counter(path.suffix.lower() for path in found)
    return tuple(
        f"left out {printable(first[kind])}{f' and {count[kind] - 1} more' if count[kind] > 1 else ''}: {kind} files are not read, "
        f"convert them to JPEG or PNG"
        for kind in sorted(first)
    )


def _label(name: Path, classes: tuple[str, ...], base: Path) -> int:
    folder = printable(name.parts[0])
    if len(name.parts) == 1:
        raise DataError(
            f"{base.absolute() / printable(name.name)} lies outside of the classes' folders: {', '.join(classes[:5])}, ..."
        )
    if folder not in classes:
        raise DataError(f"{base.absolute() / folder} is a class that the training split has not: {', '.join(classes[:5])}, ...")
    return classes.index(folder)


def _held_out(name: Path) -> bool:
    digest = hashlib.blake2b(name.as_posix().encode(errors="surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "little") < TEST_SHARE * 2**64
