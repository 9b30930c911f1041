"""Renders a design: scenery, then the car, drawn large and downsampled."""

from __future__ import annotations

from typing import Any

from PIL import Image

from wb_datasets.car import draw_car
from wb_datasets.design import Design
from wb_datasets.scenery import draw_scenery


def paint(car: Design, size: int) -> Any:
    """Render uint8 pixels [size, size, 3]; drawn several times larger and downsampled, for smooth edges."""
    import numpy as np

    side = size * (4 if size <= 64 else 3 if size <= 128 else 2)
    canvas = Image.new("RGB", (side, side))
    draw_scenery(canvas, car)
    draw_car(canvas, car)
    small = canvas.resize((size, size), Image.Resampling.BOX if side % size == 0 else Image.Resampling.LANCZOS)
    return np.asarray(small.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if car.faces_left else small)
