"""Check output files and folders that the user names, before anything long starts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import chain, count
from pathlib import Path

from workbench.errors import StorageError


def image_file(path: Path | None, default: str, *, force: bool) -> Path:
    """The file to write an image to; PNG if the name has no suffix.

    Without `path` it is `default`, or the next free name ("samples-2.png") if that file exists. Raises StorageError if an image
    cannot be written there, or if the user's file exists and `force` is not set.
    """
    from PIL import Image

    if path is None:
        return Path(default) if force else _next_free(Path(default))
    if not path.name or "\0" in str(path):
        raise StorageError(f"--out: {str(path)!r:.80} is not an image file name (e.g. samples.png)")
    path = path if path.suffix else path.with_suffix(".png")
    Image.init()
    if path.suffix.lower() not in Image.EXTENSION or Image.EXTENSION[path.suffix.lower()] not in Image.SAVE:
        raise StorageError(f"--out: {path.name!r:.80} is not an image file name (expected .png, .jpg or .webp)")
    return output_file(path, force=force)


def output_file(path: Path, *, force: bool) -> Path:
    """The path itself; StorageError if no file can be written there, or if it exists and `force` is not set."""
    if not path.name or "\0" in str(path):
        raise StorageError(f"{str(path)!r:.80} is not a file name")
    if _is_dir(path):
        raise StorageError(f"{str(path)!r:.80} is a folder: name a file in it")
    output_folder(path.parent)
    check_free([path], force=force)
    return path


def output_folder(path: Path) -> None:
    """Raise StorageError if no folder of that name can exist."""
    if "\0" in str(path):
        raise StorageError(f"{str(path)!r:.80} is not a folder name")
    nearest = next((folder for folder in (path, *path.parents) if _is_dir(folder) or folder.exists()), path)
    if nearest.exists() and not nearest.is_dir():
        raise StorageError(f"{str(nearest)!r:.80} is a file, not a folder: choose another folder")


def check_free(paths: Iterable[Path], *, force: bool) -> None:
    """Raise StorageError if one of the files exists and `force` is not set."""
    existing = None if force else next((path for path in paths if os.path.lexists(path)), None)
    if existing is not None:
        raise StorageError(f"{str(existing)!r} exists: overwrite it with --force, or choose another name")


def _next_free(path: Path) -> Path:
    names = (path.with_stem(f"{path.stem}-{k}") for k in count(2))
    return next(name for name in chain([path], names) if not os.path.lexists(name))


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StorageError(f"{str(path)!r:.80} cannot be written ({reason})") from error
