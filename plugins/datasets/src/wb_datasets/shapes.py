"""Drawing with shares of the picture's side instead of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from PIL import Image

from wb_datasets.bodies import Point
from wb_datasets.design import RGB


def mixed(a: RGB, b: RGB, share: float) -> RGB:
    """`share` of b in a."""
    return tuple(round(x + (y - x) * share) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def darker(color: RGB, share: float) -> RGB:
    """Towards black."""
    return mixed(color, (8, 8, 16), share)


def lighter(color: RGB, share: float) -> RGB:
    """Towards white."""
    return mixed(color, (255, 255, 255), share)


def rounded(points: Sequence[Point], times: int = 2, closed: bool = True) -> list[Point]:
    """Corners cut off again and again (Chaikin 1974): a smooth curve near the polygon."""
    line = list(points)
    for _ in range(times):
        pairs = list(zip(line, line[1:] + line[:1] if closed else line[1:], strict=False))
        cut: list[Point] = []
        for (x0, y0), (x1, y1) in pairs:
            cut += [(0.75 * x0 + 0.25 * x1, 0.75 * y0 + 0.25 * y1), (0.25 * x0 + 0.75 * x1, 0.25 * y0 + 0.75 * y1)]
        line = cut if closed else [line[0], *cut, line[-1]]
    return line


def gradient(size: tuple[int, int], stops: Sequence[tuple[float, RGB]]) -> Image.Image:
    """Colours from top to bottom; stops are (share of the height, colour)."""
    steps = 64
    column = Image.new("RGB", (1, steps))
    for row in range(steps):
        column.putpixel((0, row), _at(row / (steps - 1), stops))
    return column.resize(size, Image.Resampling.BILINEAR)


def _at(y: float, stops: Sequence[tuple[float, RGB]]) -> RGB:
    for (y0, c0), (y1, c1) in pairwise(stops):
        if y <= y1:
            return mixed(c0, c1, 0.0 if y1 == y0 else max(0.0, (y - y0) / (y1 - y0)))
    return stops[-1][1]
