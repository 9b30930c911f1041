"""Output files and folders that a user names, checked before anything long begins."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import chain, count
from pathlib import Path

from workbench.errors import StorageError


def picture_file(path: Path | None, default: str, *, force: bool) -> Path:
    """The file that an image is written to, as PNG if its name has no ending.

    Without `path` it is `default`, or "samples-2.png" and so on if that exists. StorageError if no image can be written there, or a file
    that the user named exists and `force` is not set.
    """
    from PIL import Image

    if path is None:
        return Path(default) if force else _next_free(Path(default))
    if not path.name or "\0" in str(path):
        raise StorageError(f"{str(path)!r:.80} is no name of a picture: say one such as samples.png")
    path = path if path.suffix else path.with_suffix(".png")
    Image.init()
    if path.suffix.lower() not in Image.EXTENSION or Image.EXTENSION[path.suffix.lower()] not in Image.SAVE:
        raise StorageError(f"{path.name!r:.80}: no picture is written as {path.suffix!r:.20}; say .png, .jpg or .webp")
    return output_file(path, force=force)


def output_file(path: Path, *, force: bool) -> Path:
    """The path if a file can be written there; StorageError if not, or if it exists and `force` is not set."""
    if not path.name or "\0" in str(path):
        raise StorageError(f"{str(path)!r:.80} is not a file name")
    if _is_dir(path):
        raise StorageError(f"{str(path)!r:.80} is a folder: say the name of a file in it")
    output_folder(path.parent)
    check_free([path], force=force)
    return path


def output_folder(path: Path) -> None:
    """StorageError where there can be no folder of that name."""
    if "\0" in str(path):
        raise StorageError(f"{str(path)!r:.80} is no name of a folder")
    there = next((each for each in (path, *path.parents) if _is_dir(each) or each.exists()), path)
    if there.exists() and not there.is_dir():
        raise StorageError(f"{str(there)!r:.80} is a file: no folder can be there")


def check_free(paths: Iterable[Path], *, force: bool) -> None:
    """StorageError if one of the files exists and `force` is not set."""
    taken = None if force else next((path for path in paths if os.path.lexists(path)), None)
    if taken is not None:
        raise StorageError(f"{str(taken)!r} exists: overwrite it with --force, or choose another name")


def _next_free(path: Path) -> Path:
    names = (path.with_stem(f"{path.stem}-{k}") for k in count(2))
    return next(each for each in chain([path], names) if not os.path.lexists(each))


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StorageError(f"{str(path)!r:.80} cannot be written ({reason})") from error
