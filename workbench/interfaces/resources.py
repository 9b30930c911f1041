"""Resources that the core lends a plugin: a cache folder, storage in it, and a progress display."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from workbench.files import atomic_write, path_inside

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Resources:
    """The cache folder, storage in it, and a progress display. `wb cache` lists what is stored, `wb cache clear` removes it."""

    cache: Path  # for derived data, which may be deleted at any time
    progress: Callable[[str, int, int], None] = field(default=lambda what, done, total: None)

    def array(
        self,
        key: str,
        shape: Sequence[int],
        dtype: str,
        fill: Callable[[Callable[[Any], None]], dict[str, Any] | None],
        *,
        folder: str = "arrays",
    ) -> tuple[np.memmap[Any, Any], dict[str, Any]]:
        """A read-only memory map of the array stored under `key`, and its notes; created by `fill` if missing or damaged.

        - `key`: a hash of everything that the array depends on, at most 200 characters.
        - `shape`: rows and the shape of a row; `fill` may add fewer rows than `shape[0]`, and must add at least one.
        - `dtype`: the element type, e.g. "uint8".
        - `fill(add)`: calls `add(row)` for each row in order; returns notes to store with the array (plain values that JSON can hold), or None.
        - `folder`: the folder in the cache, and the name of the content in `wb cache`.

        The array has its name only once it is complete, and its checksum is verified on every call. Raises StorageError if it cannot be
        written: the space needed is checked before `fill` is called.
        """
        from workbench.storage import load_or_create

        return load_or_create(path_inside(self._folder(folder), f"{key}.npy"), shape, dtype, fill)

    def fetch(self, url: str, sha256: str, *, name: str | None = None, folder: str = "downloads") -> Path:
        """The path of the file at `url` (http, https or file), downloaded if the cache lacks it.

        - `sha256`: the SHA-256 of the file in hexadecimal; it is verified on every call.
        - `name`: the file's name in the cache; by default the last part of `url`.
        - `folder`: the folder in the cache, and the name of the content in `wb cache`.

        An interrupted download is resumed; proxies are read from the environment. Raises DownloadError if the download fails or the bytes
        are not the expected ones.
        """
        from workbench.storage import fetch

        path = path_inside(self._folder(folder), name or PurePosixPath(urlsplit(url).path).name)
        fetch(url, path, sha256, lambda done, total: self.progress(f"downloading {path.name}", done, total))
        return path

    def write(self, name: str, *, folder: str) -> AbstractContextManager[Path]:
        """A context manager: a temporary path that becomes the file `name` if the block succeeds, and is removed if it fails.

        Raises StorageError if the file cannot be written.
        """
        return atomic_write(path_inside(self._folder(folder), name))

    def _folder(self, name: str) -> Path:
        return path_inside(self.cache, name)
