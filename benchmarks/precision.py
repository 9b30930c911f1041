"""python -m benchmarks.precision: how far does bfloat16 move a distance? Photographs against the same altered a little, as samples are."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.data import inception_weights, photographs
from workbench.evaluation import extract
from workbench.metrics import frechet_distance

CPU = torch.device("cpu")


def main() -> None:
    """A line per extractor and precision: images/s and distance; then how far the two distances are apart."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5000, help="photographs, and as many altered ones")
    parser.add_argument("--size", type=int, default=32, help="pixels")
    parser.add_argument("--photographs", type=Path, default=photographs())
    options = parser.parse_args()
    if options.photographs is None:
        parser.error("photographs are needed: --photographs FOLDER, or WB_TEST_DATA with data/cars64/train in it")
    real = _read(options.photographs, options.images, options.size)
    other = _altered(_read(options.photographs, options.images, options.size, last=True))
    for name, extractor in _extractors().items():
        distances = {}
        for precision in ("fp32", "bf16"):
            function = extractor(precision).build(CPU)
            started = time.perf_counter()
            features = [extract(function, images, CPU) for images in (real, other)]
            speed = 2 * len(real) / (time.perf_counter() - started)
            distances[precision] = frechet_distance(*features)
            print(f"{name}  {precision}  {speed:.1f} images/s  distance {distances[precision]:.6g}", flush=True)
        print(f"{name}  bf16 differs by {abs(distances['bf16'] / distances['fp32'] - 1.0):.2%}", flush=True)


def _extractors() -> dict[str, Any]:
    from wb_features.efficientnet_lite0 import EfficientNetLite0
    from wb_features.inception import Inception

    weights = inception_weights()
    found: dict[str, Any] = {"efficientnet_lite0": lambda precision: EfficientNetLite0(precision=precision)}
    if weights is not None:
        found["inception 768-d"] = lambda precision: Inception(dims=768, weights=str(weights), precision=precision)
    return found


def _read(folder: Path, count: int, size: int, *, last: bool = False) -> Tensor:
    import numpy as np
    from PIL import Image

    paths = sorted(folder.rglob("*.jpg"), reverse=last)[:count]
    images = []
    for path in paths:
        with Image.open(path) as image:
            images.append(np.array(image.convert("RGB").resize((size, size), Image.Resampling.LANCZOS)))
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


def _altered(images: Tensor) -> Tensor:
    """Mirrored, half blurred, with a little noise."""
    mirrored = images.flip(-1).float()
    blurred = F.avg_pool2d(F.pad(mirrored, (1, 1, 1, 1), mode="replicate"), 3, 1)
    noise = 6.0 * torch.randn(mirrored.shape, generator=torch.Generator().manual_seed(0))
    return (0.5 * mirrored + 0.5 * blurred + noise).clamp(0, 255).round().to(torch.uint8)


if __name__ == "__main__":
    main()
