"""Decoded images in one uint8 memory map, made once per content and settings."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from workbench.interfaces import Example, Examples, Provenance

if TYPE_CHECKING:
    from torch import Tensor


@final
@dataclass(frozen=True)
class StoredExamples(Examples):
    """Examples whose pixels lie in an array [n, h, w, 3]."""

    pixels: Any
    label_list: Sequence[int] | None
    captions: Callable[[int], str] | None
    told: Provenance

    @property
    def provenance(self) -> Provenance:
        """Where these examples come from."""
        return self.told

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Example:
        return Example(
            self.images([index])[0],
            None if self.label_list is None else self.label_list[index],
            None if self.captions is None else self.captions(index),
        )

    def images(self, indices: Sequence[int]) -> Tensor:
        """Images [b, 3, h, w] in [-1, 1], float32."""
        import numpy as np
        import torch

        chosen = torch.from_numpy(np.ascontiguousarray(self.pixels[np.asarray(indices, dtype=np.int64)]))
        return chosen.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)

    def labels(self, indices: Sequence[int]) -> Tensor | None:
        """Labels int64 [b], or None where there are none."""
        import torch

        return None if self.label_list is None else torch.tensor([self.label_list[i] for i in indices])


def key_of(settings: object) -> str:
    """A short hash of plain values."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:32]


def stored(folder: Path, key: str) -> tuple[Any, dict[str, Any]] | None:
    """The array and notes kept under a key, None where they are missing or damaged."""
    import numpy as np

    try:
        notes = json.loads((folder / f"{key}.json").read_text())
        return np.load(folder / f"{key}.npy", mmap_mode="r", allow_pickle=False), notes
    except (OSError, ValueError):
        return None


def store(
    folder: Path, key: str, count: int, size: int, fill: Callable[[Any], tuple[list[int], dict[str, Any]]]
) -> tuple[Any, dict[str, Any]]:
    """Let `fill` write into an array [count, size, size, 3]; keep the rows it returns, with its notes, under a key.

    Whole or absent: two processes that do it at once each write beside and the last move wins, with equal bytes.
    """
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{key}.", suffix=".npy", dir=folder)
    os.close(handle)
    beside = Path(name)
    try:
        array = np.lib.format.open_memmap(beside, mode="w+", dtype=np.uint8, shape=(count, size, size, 3))
        kept, notes = fill(array)
        if len(kept) < count:
            _shorten(array, kept, beside)
        else:
            array.flush()
        del array
        beside.chmod(0o644)
        beside.replace(folder / f"{key}.npy")
    finally:
        beside.unlink(missing_ok=True)
    _write_json(folder / f"{key}.json", notes)
    found = stored(folder, key)
    if found is None:
        raise OSError(f"{folder / key}.npy was written and cannot be read back")
    return found


def _shorten(array: Any, kept: list[int], path: Path) -> None:
    import numpy as np

    rows = np.array(array[kept])
    with path.open("wb") as file:
        np.save(file, rows)


def _write_json(path: Path, value: object) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(handle, "w") as file:
        json.dump(value, file)
    Path(name).replace(path)
