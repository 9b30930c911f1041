"""Features of real images, computed once per content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from workbench.engine.pictures import to_uint8
from workbench.errors import WeightsError
from workbench.files import replacing
from workbench.interfaces import Examples, FeatureExtractor
from workbench.random import Stream
from workbench.tensors import read_tensors

__all__ = ["Reference", "extract"]

# Intermediate results of a few images stay in a processor's caches: 8 at a time are twice as fast as 64 there.
BATCH = {"cpu": 8}


@dataclass(frozen=True)
class Reference:
    """The real images that generated ones are measured against: all of `examples`, or a fixed random part of `wanted`."""

    examples: Examples
    wanted: int | None
    cache: Path
    device: torch.device

    def __len__(self) -> int:
        return len(self.examples) if self.wanted is None else min(self.wanted, len(self.examples))

    def features(self, extractor: FeatureExtractor, function: Callable[[Tensor], Tensor]) -> Tensor:
        """Features [n, d] by the extractor's `function`, kept under a key of data, extractor with its precision, and number."""
        path = self._path(extractor)
        if path.exists():
            try:
                return read_tensors(path)["features"]
            except (WeightsError, KeyError):
                path.unlink(missing_ok=True)  # a damaged cache is made again
        chosen = self._chosen()
        blocks = (to_uint8(self.examples.images(chosen[i : i + 64])) for i in range(0, len(chosen), 64))
        features = torch.cat([extract(function, block, self.device) for block in blocks])
        with replacing(path) as beside:
            save_file({"features": features.contiguous()}, beside)
        return features

    def kept(self, extractor: FeatureExtractor) -> bool:
        """Whether the extractor's features need not be computed."""
        return self._path(extractor).exists()

    def _chosen(self) -> list[int]:
        total = len(self.examples)
        if len(self) == total:
            return list(range(total))
        # Seed 0 whatever the recipe's: runs that differ in their seed are still measured against the same images.
        return [int(i) for i in Stream(0, "reference").permutation(0, total)[: len(self)].sort().values]

    def _path(self, extractor: FeatureExtractor) -> Path:
        key = {
            "data": self.examples.provenance.fingerprint,
            "extractor": asdict(extractor.card()),
            "count": len(self),
        }
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        return self.cache / "features" / f"{digest[:32]}.safetensors"


def extract(function: Callable[[Tensor], Tensor], images: Tensor, device: torch.device) -> Tensor:
    """Features [n, d], float32 on the host, of uint8 images [n, c, h, w]."""
    return torch.cat([function(batch) for batch in images.split(BATCH.get(device.type, 64))])
