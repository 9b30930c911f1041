"""Examples whose decoded images lie in one uint8 array."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from workbench.interfaces import Example, Examples, Provenance

if TYPE_CHECKING:
    from torch import Tensor

AddImage = Callable[[Any], None]  # takes one image, uint8 [h, w, 3]
FOLDER = "images"  # in the cache


@final
@dataclass(frozen=True)
class StoredExamples(Examples):
    """Examples whose pixels lie in an array [n, h, w, 3]."""

    pixels: Any
    label_list: Sequence[int] | None
    captions: Callable[[int], str] | None
    origin: Provenance

    @property
    def provenance(self) -> Provenance:
        """The origin of these examples."""
        return self.origin

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
        """Labels int64 [b], or None if the examples have none."""
        import torch

        return None if self.label_list is None else torch.tensor([self.label_list[i] for i in indices])


def hash_settings(settings: object) -> str:
    """A short hash of plain values."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:32]
