"""A tracker that writes into a run's journal, from which a delivery sends to the tracking store."""

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


def file_of(journal: Journal, stored: str) -> Path:
    """The file of a stored path, which is relative to the journal's folder, so that the folder can be moved.

    Earlier versions stored absolute paths: then the part below a folder of the same name is tried in this folder first.
    """
    folder, path = journal.path.parent, Path(stored)
    if path.is_absolute() and folder.name in path.parts:
        below = path.parts[len(path.parts) - path.parts[::-1].index(folder.name) :]
        if (moved := folder.joinpath(*below)).is_file():
            return moved
    return folder / path


class Outbox:
    """Writes records into a journal, at the speed of the disk.

    Files are stored by path and hash, and must stay in place until they are sent; images are saved in the folder `pictures`.
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
        """The data set of a run."""
        self._journal.put("dataset", context, {"name": name, "source": source, "digest": digest})

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Numbers at a step."""
        self._journal.numbers_at(step, values)

    def image(self, key: str, image: Image, step: int) -> None:
        """An image at a step."""
        path = path_inside(self._pictures, f"{key}_{step:08d}.png")
        if not path.exists():
            with atomic_write(path) as file:
                image.save(file)
        self.picture(key, path, step)

    def picture(self, key: str, path: Path, step: int, *, changes: bool = False) -> None:
        """An image that is in a file already. If the file `changes`, each content of it is sent."""
        body = {"file": self._relative(path)}
        self._journal.put("image", key, body | {"sha256": _sha256(path)} if changes else body, step)

    def artifact(self, path: Path, folder: str = "") -> None:
        """A file, or a folder with all that is in it."""
        for file in sorted(filter(Path.is_file, path.rglob("*"))) if path.is_dir() else [path]:
            inside = file.relative_to(path.parent).parent.as_posix()
            place = "/".join(part for part in (folder, inside) if part not in ("", "."))
            # The hash makes a file that has changed another record, which is sent again.
            self._journal.put(
                "artifact", f"{place}/{file.name}", {"file": self._relative(file), "folder": place, "sha256": _sha256(file)}
            )

    def finish(self, status: RunStatus) -> None:
        """The status of a run that has ended; sent last."""
        # The time makes the end of a resumed run another record, even if its status is the same.
        self._journal.put("status", "", {"status": status, "at": int(time.time() * 1000)})

    def _relative(self, path: Path) -> str:
        here, path = self._journal.path.parent.absolute(), path.absolute()
        return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
