"""The narrow port through which a run is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image

RunStatus = Literal["FINISHED", "FAILED", "KILLED"]


class Tracker(Protocol):
    """Receives what a run produces. One tracker records one run."""

    def params(self, params: Mapping[str, object]) -> None:
        """The resolved recipe, flattened to dotted keys."""
        ...

    def tags(self, tags: Mapping[str, str]) -> None:
        """Facts to search by: plugin versions, git commit, device."""
        ...

    def dataset(self, name: str, source: str, digest: str, context: str) -> None:
        """Which data the run used; `context` is "training" or "evaluation"."""
        ...

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Numbers at a step; may be buffered until `finish`."""
        ...

    def image(self, key: str, image: Image, step: int) -> None:
        """A picture at a step, comparable between runs under the same key."""
        ...

    def artifact(self, path: Path, folder: str = "") -> None:
        """A file or a folder to keep."""
        ...

    def finish(self, status: RunStatus) -> None:
        """How the run ended; nothing is recorded afterwards."""
        ...


class NullTracker:
    """Keeps nothing: for runs whose record nobody wants."""

    def params(self, params: Mapping[str, object]) -> None: ...
    def tags(self, tags: Mapping[str, str]) -> None: ...
    def dataset(self, name: str, source: str, digest: str, context: str) -> None: ...
    def metrics(self, values: Mapping[str, float], step: int) -> None: ...
    def image(self, key: str, image: Image, step: int) -> None: ...
    def artifact(self, path: Path, folder: str = "") -> None: ...
    def finish(self, status: RunStatus) -> None: ...
