"""Folders of image files: which there are, and which split and class they belong to."""

from __future__ import annotations

import hashlib
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from wb_datasets.decoding import SUFFIXES
from wb_datasets.walking import FOREIGN, Seen, is_foreign, is_loop, leads_nowhere, walk
from workbench.interfaces import DataError, SampleSpec, Split

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


def describe(root: Path, size: int) -> SampleSpec:
    """Shape and classes of the images under `root`; DataError if there is not a single one to train on."""
    base, _ = _base(root, "train")
    if not any(_is_named_like_one(path) and left_out != FOREIGN for path, left_out in walk(base, root)):
        list_images(root, "train")  # raises, and names what was left out
    classes, why = _classes(root)
    return SampleSpec(3, size, size, classes, why_no_classes=why)


def list_images(root: Path, split: Split) -> Listing:
    """The images of a split: root/train and root/test where they exist, else a fixed tenth by file name is the test split."""
    classes, _ = _classes(root)
    base, given = _base(root, split)
    below = sorted(walk(base, root))
    own = [path for path, left_out in below if left_out != FOREIGN]
    named = [path for path in own if _is_named_like_one(path) and not _holds_files(path)]
    why = {path: reason for path in named if (reason := _why_not(path)) is not None}
    notes = (*_unread(base, own), *_left_out(base, [seen for seen in below if seen.left_out and seen.path not in why]))
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


def _base(root: Path, split: Split) -> tuple[Path, bool]:
    """The folder that holds the images of a split, and whether it holds those of no other split."""
    given = {name: _is_folder(root / name) for name in ("train", "test")}
    if not given["train"]:
        return root, False
    return (root / split, True) if given[split] else (root / "train", False)  # a train folder alone: its own tenth is held out


def _is_folder(path: Path) -> bool:
    if leads_nowhere(path):
        raise DataError(f"{path.absolute()} is a link that leads nowhere")
    return path.is_dir()


def _classes(root: Path) -> tuple[tuple[str, ...], str]:
    """The classes: folders directly under `root`, or under its train folder; where images lie there directly, none, and why."""
    base, _ = _base(root, "train")
    seen = [path for path in base.iterdir() if not (path.name.startswith(".") or is_foreign(path.name))]
    folders = [path for path in seen if path.is_dir() and not is_loop(path, root) and not is_loop(path, base)]
    stray = sorted(printable(path.name) for path in seen if _is_named_like_one(path) and path.is_file())
    if not stray:
        return tuple(sorted(printable(path.name) for path in folders)), ""
    if not folders:
        return (), ""
    more = f" and {len(stray) - 1} more images lie" if len(stray) > 1 else " lies"
    where = printable(str(base.absolute()))
    return (
        (),
        f"'{stray[0]}'{more} directly in {where}, next to folders, which are classes only where no image does: move it elsewhere",
    )


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


def _left_out(base: Path, below: list[Seen]) -> list[str]:
    """One line for all that belongs to other programs, and one for each folder or link that was not followed."""
    names = [(printable(path.relative_to(base).as_posix()), left_out) for path, left_out in below]
    foreign = [name for name, left_out in names if left_out == FOREIGN]
    lines = [f"left out {name}: {left_out}" for name, left_out in names if left_out != FOREIGN]
    if foreign:
        more = f" and {len(foreign) - 1:,} more" if len(foreign) > 1 else ""
        lines.append(f"left out {foreign[0]}{more}: {FOREIGN}, not data")
    return lines


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
