"""Colours and curves for drawing, in fractions of the image's side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from PIL import Image

from wb_datasets.bodies import Point
from wb_datasets.design import RGB


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """Mix two colours; `share` is the fraction of b."""
    return tuple(round(x + (y - x) * share) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def darken(color: RGB, share: float) -> RGB:
    """Mix with black."""
    return mix(color, (8, 8, 16), share)


def lighten(color: RGB, share: float) -> RGB:
    """Mix with white."""
    return mix(color, (255, 255, 255), share)


def round_corners(points: Sequence[Point], times: int = 2, closed: bool = True) -> list[Point]:
    """Cut the corners of a polygon `times` times (Chaikin 1974): a smooth curve near it."""
    line = list(points)
    for _ in range(times):
        pairs = list(zip(line, line[1:] + line[:1] if closed else line[1:], strict=False))
        cut: list[Point] = []
        for (x0, y0), (x1, y1) in pairs:
            cut += [(0.75 * x0 + 0.25 * x1, 0.75 * y0 + 0.25 * y1), (0.25 * x0 + 0.75 * x1, 0.25 * y0 + 0.75 * y1)]
        line = cut if closed else [line[0], *cut, line[-1]]
    return line


def gradient(size: tuple[int, int], stops: Sequence[tuple[float, RGB]]) -> Image.Image:
    """A vertical gradient; stops are (fraction of the height, colour)."""
    steps = 64
    column = Image.new("RGB", (1, steps))
    for row in range(steps):
        column.putpixel((0, row), _at(row / (steps - 1), stops))
    return column.resize(size, Image.Resampling.BILINEAR)


def _at(y: float, stops: Sequence[tuple[float, RGB]]) -> RGB:
    for (y0, c0), (y1, c1) in pairwise(stops):
        if y <= y1:
            return mix(c0, c1, 0.0 if y1 == y0 else max(0.0, (y - y0) / (y1 - y0)))
    return stops[-1][1]
