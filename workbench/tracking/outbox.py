"""What a run says, written into its journal for a tracking store that may be away."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.files import atomic_write, path_inside
from workbench.interfaces import RunStatus
from workbench.journal import Journal

if TYPE_CHECKING:
    from PIL.Image import Image


def file_of(journal: Journal, noted: str) -> Path:
    """The file that a journal notes: relative to the journal's folder, so that it is found after the folder has moved.

    Journals of before note full paths: the part below a folder of the same name is looked for here first.
    """
    folder, path = journal.path.parent, Path(noted)
    if path.is_absolute() and folder.name in path.parts:
        below = path.parts[len(path.parts) - path.parts[::-1].index(folder.name) :]
        if (moved := folder.joinpath(*below)).is_file():
            return moved
    return folder / path


class Outbox:
    """A tracker that only writes down, at the speed of a disk.

    Files are noted by their place and hash and must stay in their folder until they are sent; pictures are kept under `pictures`.
    """

    def __init__(self, journal: Journal, pictures: Path) -> None:
        self._journal, self._pictures = journal, pictures

    def params(self, params: Mapping[str, object]) -> None:
        """The resolved recipe, by dotted key."""
        self._journal.put_all("param", {key: {"value": str(value)} for key, value in params.items()})

    def tags(self, tags: Mapping[str, str]) -> None:
        """Facts to search by."""
        self._journal.put_all("tag", {key: {"value": str(value)} for key, value in tags.items()})

    def dataset(self, name: str, source: str, digest: str, context: str) -> None:
        """Which data the run used."""
        self._journal.put("dataset", context, {"name": name, "source": source, "digest": digest})

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Numbers at a step."""
        self._journal.numbers_at(step, values)

    def image(self, key: str, image: Image, step: int) -> None:
        """A picture at a step."""
        path = path_inside(self._pictures, f"{key}_{step:08d}.png")
        if not path.exists():
            with atomic_write(path) as beside:
                image.save(beside)
        self.picture(key, path, step)

    def picture(self, key: str, path: Path, step: int) -> None:
        """A picture that is in a file already."""
        self._journal.put("image", key, {"file": self._noted(path)}, step)

    def artifact(self, path: Path, folder: str = "") -> None:
        """A file, or a folder with all that is in it."""
        for file in sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]:
            inside = file.relative_to(path.parent).parent.as_posix()
            place = "/".join(part for part in (folder, inside) if part not in ("", "."))
            with file.open("rb") as opened:
                sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
            # With the hash in it: a file that has changed is another record, and is sent again.
            self._journal.put("artifact", f"{place}/{file.name}", {"file": self._noted(file), "folder": place, "sha256": sha256})

    def finish(self, status: RunStatus) -> None:
        """How the run ended; sent last."""
        # With the time in it: a run that went on ends anew, be it as before.
        self._journal.put("status", "", {"status": status, "at": int(time.time() * 1000)})

    def _noted(self, path: Path) -> str:
        here, path = self._journal.path.parent.absolute(), path.absolute()
        return str(path.relative_to(here) if path.is_relative_to(here) else path)
