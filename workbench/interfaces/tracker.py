"""The interface through which a run is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image

RunStatus = Literal["FINISHED", "FAILED", "KILLED"]


class Tracker(Protocol):
    """Receives the results of a run. One tracker records one run."""

    def params(self, params: Mapping[str, object]) -> None:
        """Record the resolved recipe, flattened to dotted keys."""
        ...

    def tags(self, tags: Mapping[str, str]) -> None:
        """Record facts to search by: plugin versions, git commit, device."""
        ...

    def dataset(self, name: str, source: str, digest: str, context: str) -> None:
        """Record which data the run used; `context` is "training" or "evaluation"."""
        ...

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record numbers at a step; may be buffered until `finish`."""
        ...

    def image(self, key: str, image: Image, step: int) -> None:
        """Record an image at a step; images of the same key are comparable between runs."""
        ...

    def artifact(self, path: Path, folder: str = "") -> None:
        """Store a file or a folder."""
        ...

    def finish(self, status: RunStatus) -> None:
        """Record how the run ended; nothing is recorded afterwards."""
        ...


class NullTracker:
    """Discards everything (untracked runs)."""

    def params(self, params: Mapping[str, object]) -> None: ...
    def tags(self, tags: Mapping[str, str]) -> None: ...
    def dataset(self, name: str, source: str, digest: str, context: str) -> None: ...
    def metrics(self, values: Mapping[str, float], step: int) -> None: ...
    def image(self, key: str, image: Image, step: int) -> None: ...
    def artifact(self, path: Path, folder: str = "") -> None: ...
    def finish(self, status: RunStatus) -> None: ...
