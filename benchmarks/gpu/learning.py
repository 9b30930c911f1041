"""CIFAR-10 distances against minutes: the recipe `cifar10` on the packed JPEGs, by `wb run --no-track` in a process of its own."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

RECIPE = Path(__file__).parents[2] / "recipes" / "cifar10.toml"
# After training: the last evaluation and its images.
CLOSING_SECONDS = 45.0


def unpack(pack: Path, folder: Path, limit: int | None = None) -> Path:
    """Write the first `limit` JPEGs of a pack (default: all) as `folder`/<class>/<index>.jpg, once."""
    if not folder.exists():
        with np.load(pack, allow_pickle=False) as stored:
            jpeg, offsets, labels, classes = (stored[name] for name in ("jpeg", "offsets", "labels", "classes"))
        for name in classes:
            (folder / str(name)).mkdir(parents=True)
        for index, label in enumerate(labels[:limit]):
            path = folder / str(classes[label]) / f"{index:05d}.jpg"
            path.write_bytes(jpeg[offsets[index] : offsets[index + 1]].tobytes())
    return folder


def train(images: Path, home: Path, seconds: float, overrides: Sequence[str]) -> None:
    """Train for `seconds` minus the closing evaluation; a run that exceeds them by a minute is ended."""
    minutes = max(seconds - CLOSING_SECONDS, 15.0) / 60.0
    settings = ("dataset={use='folder', image_size=32}", f"dataset.root='{images}'", f"train.max_minutes={minutes:.3f}",
                "evaluate.features=['efficientnet_lite0']", *overrides)  # fmt: skip
    command = [sys.executable, "-m", "workbench", "run", str(RECIPE), "--no-track"]
    for setting in settings:
        command += ["--set", setting]
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(command, env={**os.environ, "WB_HOME": str(home)}, check=False, timeout=seconds + 60.0)


def points(home: Path) -> list[dict[str, Any]]:
    """Minutes of training and distances of every evaluation, read from the run's journal."""
    from workbench.runs import find_run

    points, minutes = list[dict[str, Any]](), 0.0
    with contextlib.suppress(sqlite3.Error):
        for line in find_run(home, "latest").numbers():
            metrics = line["metrics"]
            minutes = metrics.get("train/minutes", minutes)
            distances = {name: value for name, value in metrics.items() if name.startswith(("fd_", "kid_"))}
            if distances:
                points.append({"step": line["step"], "minutes": minutes, **distances})
    return points
