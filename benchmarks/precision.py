"""python -m benchmarks.precision: the effect of bfloat16 on a distance, for photographs against slightly altered ones."""

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
    """Print images/s and distance per extractor and precision, then the difference of the two distances."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5000, help="photographs, and as many altered ones")
    parser.add_argument("--size", type=int, default=32, help="pixels")
    parser.add_argument("--photographs", type=Path, default=photographs())
    options = parser.parse_args()
    if options.photographs is None:
        parser.error("photographs are needed: --photographs FOLDER, or WB_TEST_DATA with data/cars64/train in it")
    real = _read(options.photographs, options.images, options.size)
    other = _alter(_read(options.photographs, options.images, options.size, last=True))
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
    extractors: dict[str, Any] = {"efficientnet_lite0": lambda precision: EfficientNetLite0(precision=precision)}
    if weights is not None:
        extractors["inception 768-d"] = lambda precision: Inception(dims=768, weights=str(weights), precision=precision)
    return extractors


def _read(folder: Path, count: int, size: int, *, last: bool = False) -> Tensor:
    import numpy as np
    from PIL import Image

    paths = sorted(folder.rglob("*.jpg"), reverse=last)[:count]
    images = []
    for path in paths:
        with Image.open(path) as image:
            images.append(np.array(image.convert("RGB").resize((size, size), Image.Resampling.LANCZOS)))
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


def _alter(images: Tensor) -> Tensor:
    """Mirror, blur half, and add a little noise."""
    mirrored = images.flip(-1).float()
    blurred = F.avg_pool2d(F.pad(mirrored, (1, 1, 1, 1), mode="replicate"), 3, 1)
    noise = 6.0 * torch.randn(mirrored.shape, generator=torch.Generator().manual_seed(0))
    return (0.5 * mirrored + 0.5 * blurred + noise).clamp(0, 255).round().to(torch.uint8)


if __name__ == "__main__":
    main()
