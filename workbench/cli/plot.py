"""Curves in a terminal, drawn with braille dots."""

from __future__ import annotations

from collections.abc import Sequence

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def plot(values: Sequence[float], width: int = 60, height: int = 8) -> list[str]:
    """Lines of text with a plot of `values` at equal steps, and the scale at the left; sizes are in characters."""
    low, high = min(values), max(values)
    span = high - low or 1.0
    cells = [[0] * width for _ in range(height)]
    columns, rows = 2 * width, 4 * height
    for column in range(columns):
        value = values[round(column * (len(values) - 1) / (columns - 1))]
        row = round((high - value) / span * (rows - 1))
        cells[row // 4][column // 2] |= _DOTS[row % 4][column % 2]
    labels = {0: f"{high:.3g}", height - 1: f"{low:.3g}"}
    return [f"{labels.get(k, ''):>10} " + "".join(chr(0x2800 + cell) for cell in line) for k, line in enumerate(cells)]
