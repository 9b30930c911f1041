"""Features and labels of real images, computed once per content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from workbench.errors import WeightsError
from workbench.evaluation.pictures import to_uint8
from workbench.files import atomic_write
from workbench.interfaces import Examples, FeatureExtractor
from workbench.progress import NEVER, Stop
from workbench.random import Stream
from workbench.tensors import read_tensors

# Intermediate results of a few images stay in a processor's caches: 8 at a time are twice as fast as 64 there.
BATCH = {"cpu": 8}


@dataclass(frozen=True)
class Reference:
    """The real images that generated ones are measured against: all of the data, or a fixed random part of `wanted`.

    `load` gives the examples, of that fingerprint and size; it is called only for what is not cached.
    """

    fingerprint: str
    size: int
    load: Callable[[], Examples]
    wanted: int | None
    cache: Path
    device: torch.device

    @classmethod
    def of(cls, examples: Examples, wanted: int | None, cache: Path, device: torch.device) -> Reference:
        """The reference of examples that are loaded."""
        return cls(examples.provenance.fingerprint, len(examples), lambda: examples, wanted, cache, device)

    def __len__(self) -> int:
        return self.size if self.wanted is None else min(self.wanted, self.size)

    def features(self, extractor: FeatureExtractor, function: Callable[[Tensor], Tensor], stop: Stop = NEVER) -> Tensor:
        """Features [n, d] by the extractor's `function`, kept under a key of data, extractor with its precision, and number."""

        def compute() -> Tensor:
            examples, chosen = self.load(), self._chosen()
            blocks = (to_uint8(examples.images(chosen[i : i + 64])) for i in range(0, len(chosen), 64))
            return torch.cat([extract(function, block, self.device, stop) for block in blocks])

        return _cached(self._features_path(extractor), "features", compute)

    def labels(self) -> Tensor | None:
        """Labels int64 [n] of all the data, cached like the features, so that classes are drawn as often without the data; None if there are none."""

        def read() -> Tensor:
            found = self.load().labels(range(self.size))
            return torch.empty(0, dtype=torch.int64) if found is None else found

        labels = _cached(self._labels_path(), "labels", read)
        return labels if len(labels) else None

    def kept(self, extractor: FeatureExtractor) -> bool:
        """Whether the extractor's features need not be computed."""
        return self._features_path(extractor).exists()

    def has_labels(self) -> bool:
        """True if the labels are cached."""
        return self._labels_path().exists()

    def _chosen(self) -> list[int]:
        if len(self) == self.size:
            return list(range(self.size))
        # Seed 0 whatever the recipe's: runs that differ in their seed are still measured against the same images.
        return [int(i) for i in Stream(0, "reference").permutation(0, self.size)[: len(self)].sort().values]

    def _features_path(self, extractor: FeatureExtractor) -> Path:
        key = {"data": self.fingerprint, "extractor": asdict(extractor.card()), "count": len(self)}
        return self.cache / "features" / _file_name(key)

    def _labels_path(self) -> Path:
        return self.cache / "labels" / _file_name({"data": self.fingerprint})


def _file_name(key: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return f"{digest[:32]}.safetensors"


def _cached(path: Path, name: str, make: Callable[[], Tensor]) -> Tensor:
    if path.exists():
        try:
            return read_tensors(path)[name]
        except (WeightsError, KeyError):
            path.unlink(missing_ok=True)  # a damaged cache is made again
    made = make()
    with atomic_write(path) as beside:
        save_file({name: made.contiguous()}, beside)
    return made


def extract(function: Callable[[Tensor], Tensor], images: Tensor, device: torch.device, stop: Stop = NEVER) -> Tensor:
    """Features [n, d], float32 on the host, of uint8 images [n, c, h, w]."""
    features = []
    for batch in images.split(BATCH.get(device.type, 64)):
        stop.check()
        features.append(function(batch))
    return torch.cat(features)
