"""Features and labels of real images, computed once per data set content and cached."""

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

# Intermediate results of a few images stay in the CPU's caches: 8 at a time are twice as fast as 64.
BATCH = {"cpu": 8}


@dataclass(frozen=True)
class Reference:
    """The real images that generated ones are compared with: all of the data, or a fixed random subset of `count` images.

    `load` returns the examples, which have the given fingerprint and size; it is called only if something is not cached.
    """

    fingerprint: str
    size: int
    load: Callable[[], Examples]
    count: int | None
    cache: Path
    device: torch.device

    @classmethod
    def of(cls, examples: Examples, count: int | None, cache: Path, device: torch.device) -> Reference:
        """The reference for loaded examples."""
        return cls(examples.provenance.fingerprint, len(examples), lambda: examples, count, cache, device)

    def __len__(self) -> int:
        return self.size if self.count is None else min(self.count, self.size)

    def features(self, extractor: FeatureExtractor, function: Callable[[Tensor], Tensor], stop: Stop = NEVER) -> Tensor:
        """Features [n, d] computed by the extractor's `function`, cached by data, extractor (with its precision) and number of images."""

        def compute() -> Tensor:
            examples, chosen = self.load(), self._chosen()
            blocks = (to_uint8(examples.images(chosen[i : i + 64])) for i in range(0, len(chosen), 64))
            return torch.cat([extract(function, block, self.device, stop) for block in blocks])

        return _read_or_compute(self._features_path(extractor), "features", compute)

    def labels(self) -> Tensor | None:
        """Labels int64 [n] of all the data, or None if there are none.

        They are cached like the features, so that classes are drawn with the same frequencies when the data is absent.
        """

        def read() -> Tensor:
            labels = self.load().labels(range(self.size))
            return torch.empty(0, dtype=torch.int64) if labels is None else labels

        labels = _read_or_compute(self._labels_path(), "labels", read)
        return labels if len(labels) else None

    def has_features(self, extractor: FeatureExtractor) -> bool:
        """True if the extractor's features are cached."""
        return self._features_path(extractor).exists()

    def has_labels(self) -> bool:
        """True if the labels are cached."""
        return self._labels_path().exists()

    def _chosen(self) -> list[int]:
        if len(self) == self.size:
            return list(range(self.size))
        # Seed 0 for every recipe, so that runs with different seeds are compared with the same images.
        return [int(i) for i in Stream(0, "reference").permutation(0, self.size)[: len(self)].sort().values]

    def _features_path(self, extractor: FeatureExtractor) -> Path:
        key = {"data": self.fingerprint, "extractor": asdict(extractor.card()), "count": len(self)}
        return self.cache / "features" / _file_name(key)

    def _labels_path(self) -> Path:
        return self.cache / "labels" / _file_name({"data": self.fingerprint})


def _file_name(key: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return f"{digest[:32]}.safetensors"


def _read_or_compute(path: Path, name: str, compute: Callable[[], Tensor]) -> Tensor:
    if path.exists():
        try:
            return read_tensors(path)[name]
        except (WeightsError, KeyError):
            path.unlink(missing_ok=True)  # a damaged cache file is computed again
    tensor = compute()
    with atomic_write(path) as unfinished:
        save_file({name: tensor.contiguous()}, unfinished)
    return tensor


def extract(function: Callable[[Tensor], Tensor], images: Tensor, device: torch.device, stop: Stop = NEVER) -> Tensor:
    """Features [n, d], float32 on the CPU, of uint8 images [n, c, h, w]."""
    features = []
    for batch in images.split(BATCH.get(device.type, 64)):
        stop.check()
        features.append(function(batch))
    return torch.cat(features)
