"""The pictures of an evaluation: what quality costs, and images of every combination."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import workbench as wb
from workbench.cli.evaluation.table import Row
from workbench.files import atomic_write

if TYPE_CHECKING:
    from PIL.Image import Image


PICTURES = ("trade_off", "images")


def draw(rows: Sequence[Row], metric: str, title: str, folder: Path) -> dict[str, Path]:
    """Write both pictures into a folder; those of an earlier call are replaced."""
    drawn = dict(zip(PICTURES, (_trade_off(rows, metric, title), _images(rows)), strict=True))
    paths = {key: folder / f"{key}.png" for key, image in drawn.items() if image is not None}
    for key, path in paths.items():
        with atomic_write(path) as beside:
            drawn[key].save(beside, optimize=True)  # type: ignore[union-attr]
    return paths


def _trade_off(rows: Sequence[Row], metric: str, title: str) -> Image:
    """Distance against network evaluations and against seconds, a curve per variant."""
    curves: dict[str, list[Row]] = {}
    for row in rows:
        curves.setdefault(row.variant, []).append(row)
    distances = {name: [row.evaluation.metrics[metric] for row in curve] for name, curve in curves.items()}
    evaluations = {name: [float(row.evaluation.nfe) for row in curve] for name, curve in curves.items()}
    seconds = {name: [row.evaluation.seconds for row in curve] for name, curve in curves.items()}
    samples = rows[0].evaluation.samples
    costs = [
        wb.evaluation.QualityPoint("network evaluations per image (NFE)", evaluations),
        wb.evaluation.QualityPoint(f"seconds for {samples:,} images", seconds),
    ]
    return wb.evaluation.plot_quality(distances, metric, costs, title)


def _images(rows: Sequence[Row]) -> Image | None:
    """The first images of each combination in a row, from equal noise; None where none were kept."""
    from PIL import Image

    shown = [(row.name, Image.open(row.evaluation.picture)) for row in rows if row.evaluation.picture.exists()]
    return wb.evaluation.captioned(shown) if shown else None
