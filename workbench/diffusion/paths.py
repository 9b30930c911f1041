"""Paths: which times a sample visits. A path is data."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["SPACINGS", "Path"]


@dataclass(frozen=True)
class Path:
    """Times in [0, 1] in the order they are visited. Moves down are the sampler's, moves up the schedule's forward kernel."""

    times: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.times) < 2:
            raise ValueError(f"a path needs at least two times, got {list(self.times)}")
        if not all(0.0 <= t <= 1.0 for t in self.times):
            raise ValueError(f"times must be in [0, 1], got {list(self.times)}")
        if any(t == s for t, s in itertools.pairwise(self.times)):
            raise ValueError("a path must not stay where it is: two times in a row are equal")

    @classmethod
    def of(cls, times: Sequence[float]) -> Path:
        """An explicit list of times."""
        return cls(tuple(float(t) for t in times))

    @classmethod
    def uniform(cls, steps: int) -> Path:
        """Equal steps in t from 1 to 0: every time of the table where steps = T."""
        return cls(tuple((steps - i) / _positive(steps) for i in range(steps + 1)))

    @classmethod
    def quadratic(cls, steps: int) -> Path:
        """t = (i / N)^2: finer near the data (Song, Meng & Ermon 2021, appendix D.2)."""
        return cls(tuple(((steps - i) / _positive(steps)) ** 2 for i in range(steps + 1)))

    @classmethod
    def trailing(cls, steps: int, grid: int = 1000) -> Path:
        """Equal steps rounded to the trained times i / T, from T down (Lin et al. 2023, arXiv:2305.08891, table 2).

        Starts at t = 1 whether or not T is a multiple of `steps`. More steps than the grid has are an error.
        """
        if _positive(steps) > grid:
            raise ValueError(f"trailing: {steps} steps do not fit on a grid of {grid} times")
        return cls(tuple(round((steps - i) * grid / steps) / grid for i in range(steps + 1)))

    def moves(self) -> Iterator[tuple[float, float]]:
        """The moves (t, s) in order."""
        return itertools.pairwise(self.times)

    @property
    def moves_down(self) -> int:
        """How many moves a sampler makes."""
        return sum(s < t for t, s in self.moves())


SPACINGS = ("uniform", "quadratic", "trailing")


def _positive(steps: int) -> int:
    if steps < 1:
        raise ValueError(f"a path needs at least one step, got {steps}")
    return steps
