"""Features of real images, computed once per content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from workbench.engine.assembly import Parts
from workbench.engine.pictures import to_uint8
from workbench.files import replacing
from workbench.interfaces import FeatureExtractor
from workbench.random import Stream

__all__ = ["extract", "reference_features"]

# Intermediate results of a few images stay in a processor's caches: 8 at a time are twice as fast as 64 there.
BATCH = {"cpu": 8}


def reference_features(parts: Parts, extractor: FeatureExtractor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Features [n, d] of training images, or of a fixed random part of them, kept under a key of data, extractor and number."""
    chosen = _chosen(parts)
    path = _path(parts, extractor, len(chosen))
    if path.exists():
        try:
            return load_file(path)["features"]
        except (OSError, SafetensorError, KeyError):
            path.unlink(missing_ok=True)  # a damaged cache is made again
    blocks = [to_uint8(parts.train.images(chosen[i : i + 64])) for i in range(0, len(chosen), 64)]
    features = torch.cat([extract(function, block, parts.device) for block in blocks])
    with replacing(path) as beside:
        save_file({"features": features.contiguous()}, beside)
    return features


def extract(function: Callable[[Tensor], Tensor], images: Tensor, device: torch.device) -> Tensor:
    """Features [n, d], float32 on the host, of uint8 images [n, c, h, w]."""
    return torch.cat([function(batch) for batch in images.split(BATCH.get(device.type, 64))])


def _chosen(parts: Parts) -> list[int]:
    total, wanted = len(parts.train), parts.recipe.evaluate.real
    if wanted is None or wanted >= total:
        return list(range(total))
    # Seed 0 whatever the recipe's: runs that differ in their seed are still measured against the same images.
    return [int(i) for i in Stream(0, "reference").permutation(0, total)[:wanted].sort().values]


def _path(parts: Parts, extractor: FeatureExtractor, count: int) -> Path:
    key = {"data": parts.train.provenance.fingerprint, "extractor": asdict(extractor.card()), "count": count}
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return parts.cache / "features" / f"{digest[:32]}.safetensors"
