"""Where a user wants something written, looked at before anything long begins."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import StorageError

__all__ = ["output_folder", "picture_file"]


def picture_file(path: Path) -> Path:
    """Where a picture goes, as PNG where its name does not say; StorageError where no picture can be called so."""
    from PIL import Image

    if not path.name or "\0" in str(path):
        raise StorageError(f"{str(path)!r:.80} is no name of a picture: say one such as samples.png")
    path = path if path.suffix else path.with_suffix(".png")
    Image.init()
    if path.suffix.lower() not in Image.EXTENSION or Image.EXTENSION[path.suffix.lower()] not in Image.SAVE:
        raise StorageError(f"{path.name!r:.80}: no picture is written as {path.suffix!r:.20}; say .png, .jpg or .webp")
    if _is_dir(path):
        raise StorageError(f"{str(path)!r:.80} is a folder: say the name of a file in it")
    output_folder(path.parent)
    return path


def output_folder(path: Path) -> None:
    """StorageError where there can be no folder of that name."""
    if "\0" in str(path):
        raise StorageError(f"{str(path)!r:.80} is no name of a folder")
    there = next((each for each in (path, *path.parents) if _is_dir(each) or each.exists()), path)
    if there.exists() and not there.is_dir():
        raise StorageError(f"{str(there)!r:.80} is a file: no folder can be there")


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StorageError(f"{str(path)!r:.80} cannot be written ({reason})") from error
