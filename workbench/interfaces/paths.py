"""Fields that name a file or a folder on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator
from typing_extensions import Doc


@dataclass(frozen=True)
class RelativeTo:
    """Marks a field whose text may be relative to a folder; `join` makes it absolute and leaves an absolute path unchanged."""

    join: Callable[[str, Path], str]


def absolute_path(text: str, folder: Path) -> str:
    """`text` as an absolute path: `~` is expanded, a relative path is joined to `folder`, `..` is resolved as the system does.

    Raises ValueError for the home of an unknown user.
    """
    try:
        path = folder / Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{text!r:.80} names the home of a user that does not exist on this machine") from error
    # Not by its text alone: the parent of a link is the parent of its target.
    return os.path.realpath(path) if ".." in path.parts else str(path)


def _from_working_directory(path: Path) -> Path:
    return Path(absolute_path(str(path), Path.cwd()))


LocalPath = Annotated[
    Path,
    RelativeTo(absolute_path),
    AfterValidator(_from_working_directory),
    Doc(
        """The type of a field that names a file or a folder: `root: LocalPath = Field(description="the folder of the images")`.

        A component always holds an absolute path. In a recipe, a relative path is relative to the file that contains the key; from
        `--set` and in Python, to the working directory. A default is not resolved: use None, or an absolute path.
        """
    ),
]
