"""Folders of image files: the files of each split, and their classes."""

from __future__ import annotations

import hashlib
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from wb_datasets.decoding import SUFFIXES
from wb_datasets.walking import FOREIGN, Item, is_dangling_link, is_foreign, is_loop, walk
from workbench.interfaces import DataError, SampleSpec, Split

TEST_SHARE = 0.1
UNREAD = frozenset(
    {".arw", ".cr2", ".cr3", ".dng", ".heic", ".heif", ".j2k", ".jp2", ".jxl", ".nef", ".orf", ".psd", ".raf", ".svg", ".tga"}
)


@dataclass(frozen=True)
class Listing:
    """The image files of a split, other files with the name of an image, and remarks on the rest."""

    root: Path
    files: tuple[Path, ...]
    labels: tuple[int, ...] | None
    classes: tuple[str, ...]
    refused: tuple[str, ...] = ()  # "name: reason"
    notes: tuple[str, ...] = ()


def existing_folder(root: Path) -> Path:
    """Return the folder `root`; DataError if it is missing or cannot be read."""
    name = f"'{printable(str(root)):.200}'"
    try:
        if root.is_dir():
            next(root.iterdir(), None)  # the folder may exist and not be readable
            return root
        is_file = root.is_file()
    except OSError as error:
        raise DataError(f"{name} cannot be read ({error.strerror})") from error
    if is_file:
        raise DataError(f"{name} is a file, not a folder")
    raise DataError(f"no folder {name}")


def describe(root: Path, size: int) -> SampleSpec:
    """Shape and classes of the images under `root`; DataError if there is no image to train on."""
    base, _ = _split_folder(root, "train")
    if not any(_has_image_suffix(path) and left_out != FOREIGN for path, left_out in walk(base, root)):
        list_images(root, "train")  # raises an error that names the files left out
    classes, why = _classes(root)
    return SampleSpec(3, size, size, classes, why_no_classes=why)


def list_images(root: Path, split: Split) -> Listing:
    """The images of a split: root/train and root/test if they exist, else a fixed tenth, chosen by file name, is the test split."""
    classes, _ = _classes(root)
    base, given = _split_folder(root, split)
    below = sorted(walk(base, root))
    data = [path for path, left_out in below if left_out != FOREIGN]
    named = [path for path in data if _has_image_suffix(path) and not _holds_files(path)]
    reasons = {path: reason for path in named if (reason := _refusal_reason(path)) is not None}
    notes = (
        *_describe_unread(base, data),
        *_describe_left_out(base, [item for item in below if item.left_out and item.path not in reasons]),
    )
    if not named:
        hint = "".join(f"; {note}" for note in notes)
        raise DataError(f"no images under {base.absolute()} (looked for {', '.join(sorted(SUFFIXES))}){hint}")

    def of_split(paths: list[Path]) -> list[Path]:
        return paths if given else [path for path in paths if _is_held_out(path.relative_to(base)) == (split == "test")]

    usable = [path for path in named if path not in reasons]
    files = of_split(usable) or usable  # too few for a tenth
    refused = tuple(f"{printable(path.relative_to(base).as_posix())}: {reasons[path]}" for path in of_split(list(reasons)))
    labels = tuple(_label(path.relative_to(base), classes, base) for path in files) if classes else None
    return Listing(base, tuple(files), labels, classes, refused, notes)


def printable(name: str) -> str:
    """A file's name as one printable line: bytes that are not text, line breaks and other control characters are escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)


def _split_folder(root: Path, split: Split) -> tuple[Path, bool]:
    """The folder that holds the images of a split, and True if it holds this split only."""
    given = {name: _is_folder(root / name) for name in ("train", "test")}
    if not given["train"]:
        return root, False
    return (root / split, True) if given[split] else (root / "train", False)  # only a train folder: a tenth of it is held out


def _is_folder(path: Path) -> bool:
    if is_dangling_link(path):
        raise DataError(f"{path.absolute()} is a link that leads nowhere")
    return path.is_dir()


def _classes(root: Path) -> tuple[tuple[str, ...], str]:
    """The classes: folders directly under `root`, or under its train folder; if images lie there directly, none, and the reason."""
    base, _ = _split_folder(root, "train")
    children = [path for path in base.iterdir() if not (path.name.startswith(".") or is_foreign(path.name))]
    folders = [path for path in children if path.is_dir() and not is_loop(path, root) and not is_loop(path, base)]
    stray = sorted(printable(path.name) for path in children if _has_image_suffix(path) and path.is_file())
    if not stray:
        return tuple(sorted(printable(path.name) for path in folders)), ""
    if not folders:
        return (), ""
    more = f" and {len(stray) - 1} more images lie" if len(stray) > 1 else " lies"
    where = printable(str(base.absolute()))
    return (
        (),
        f"'{stray[0]}'{more} directly in {where}, next to folders, which are classes only if no image lies next to them: move it elsewhere",
    )


def _has_image_suffix(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _holds_files(path: Path) -> bool:
    try:
        return any(True for _ in path.iterdir())
    except OSError:
        return False


def _refusal_reason(path: Path) -> str | None:
    """The reason why a path with the name of an image cannot be read; checked before it is opened, because opening a pipe blocks."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return "a link that leads nowhere" if path.is_symlink() else f"cannot be read ({error.strerror})"
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISDIR(mode):
        return "an empty folder, not a file"
    return "a pipe, a device or a socket, not a file"


def _describe_unread(base: Path, below: list[Path]) -> tuple[str, ...]:
    """Remarks on image files of formats that are not read: one line per format."""
    unread = [path for path in below if path.suffix.lower() in UNREAD]
    first = {path.suffix.lower(): path.relative_to(base).as_posix() for path in reversed(unread)}
    count = Counter(path.suffix.lower() for path in unread)
    return tuple(
        f"left out {printable(first[kind])}{f' and {count[kind] - 1} more' if count[kind] > 1 else ''}: {kind} files are not read, "
        f"convert them to JPEG or PNG"
        for kind in sorted(first)
    )


def _describe_left_out(base: Path, below: list[Item]) -> list[str]:
    """One line for all files of other programs, and one for each folder or link that was not followed."""
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


def _is_held_out(name: Path) -> bool:
    digest = hashlib.blake2b(name.as_posix().encode(errors="surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "little") < TEST_SHARE * 2**64
