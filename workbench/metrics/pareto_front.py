"""The Pareto front of cost and distance."""

from __future__ import annotations

import math
from collections.abc import Sequence


def pareto_optimal(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points (cost, distance) that no other point beats, the cheapest first.

    A point is beaten by another that is at most as large in both and smaller in one; equal points do not beat each other.
    """
    front: list[int] = []
    nearest = math.inf
    for i in sorted(range(len(points)), key=lambda i: points[i]):
        _, distance = points[i]
        if distance < nearest or (front and points[i] == points[front[-1]]):
            front.append(i)
            nearest = distance
    return front
