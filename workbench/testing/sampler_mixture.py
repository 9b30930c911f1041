"""The check of samplers on a mixture: shares, means and spreads of its parts, in few dimensions and in many."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.diffusion import TimeGrid, sample
from workbench.diffusion.time_grid import time_at
from workbench.interfaces import NoiseSchedule, Sampler
from workbench.random import Stream
from workbench.testing.checking import check_of, require
from workbench.testing.oracles import MixtureOracle
from workbench.testing.reference import QuarterCircle

# Steps of equal length in ln(sigma / alpha), from noise in which the parts cannot be distinguished to nearly clean data.
HIGH, LOW = 20.0, 0.01
LENGTH = math.log(HIGH / LOW)
STANDARD_ERRORS = 4.0


@dataclass(frozen=True)
class Mixture:
    """Two Gaussians, 1.4 apart in any dimension, and the number of samples and steps."""

    dims: int
    images: int
    steps: int
    std: float = 0.12
    shares: tuple[float, float] = (0.3, 0.7)

    @property
    def h(self) -> float:
        """The length of a step in ln(sigma / alpha).

        Errors of first-order samplers are proportional to it. With Ho et al.'s algorithm 2, a step has the exact mean, and a
        variance that is off by (2 h)^2 (v - k sigma^2), v the variance of x0 given x_t and k = 1 for their larger variance, 0 for the smaller.
        So the expectation of any f(x0) is off by 2 h times the integral over ln sigma of E[d^2/dx^2 E[f(x0) | x_t] (v - k sigma^2)]. For this
        mixture that is up to 0.15 h for the shares, and 0.4 h and 0.6 h standard deviations for mean and spread of a part. Euler's method is
        off by 0.03 h, 0.8 h and 0.2 h. (`tests/testing/test_allowances.py` integrates.)
        """
        return LENGTH / (self.steps - 1)

    @property
    def centre(self) -> Tensor:
        """The mean of the larger part [d]; the mean of the smaller part is its negative."""
        return torch.full((self.dims,), 0.7 / self.dims**0.5, dtype=torch.float64)

    def grid(self, schedule: NoiseSchedule) -> TimeGrid:
        """Starts at HIGH, not at t = 1: a first step from alpha = 0 is longer than all others in total, and is not tested here."""
        return TimeGrid.of([*(time_at(schedule, HIGH * math.exp(-k * self.h)) for k in range(self.steps)), 0.0])

    def start(self, alpha: float, sigma: float) -> Tensor:
        """Draws of x_t [images, d] at the first time of the grid."""
        stream, index = Stream(0, "mixture"), torch.arange(self.images)
        larger = stream.uniform(0, index) < self.shares[1]
        centres = torch.where(larger, self.centre, -self.centre)
        return alpha * centres + math.hypot(alpha * self.std, sigma) * stream.normal(1, index, (self.dims,), torch.float64)

    def allowed_share(self) -> float:
        """The allowed error of a share: first-order bias and sampling error."""
        return 0.2 * self.h + STANDARD_ERRORS * (self.shares[0] * self.shares[1] / self.images) ** 0.5

    def allowed_mean(self, images: int) -> float:
        """The allowed error of the mean of a part of `images` images, along the line between the parts."""
        return self.std * (self.h + STANDARD_ERRORS / images**0.5)

    def allowed_spread(self, images: int) -> float:
        """The allowed error of the spread of a part; the last step, to the posterior mean, reduces its variance by LOW^2."""
        last = 0.5 * (LOW / self.std) ** 2
        return self.std * (self.h + last + STANDARD_ERRORS / (2.0 * images * self.dims) ** 0.5)


# Few dimensions test shares and means, many dimensions test that noise is drawn for each of them.
CASES = (Mixture(1, 8000, 150), Mixture(2, 8000, 150), Mixture(3072, 64, 75))


@check_of("samplers")
def mixture(sampler: Sampler[Any]) -> None:
    """With a mixture of two Gaussians in 1, 2 and 3072 dimensions, each part gets its share of the samples, its mean and its spread."""
    schedule = QuarterCircle()
    for case in CASES:
        centre = case.centre
        oracle = MixtureOracle(torch.stack([-centre, centre]), [case.std] * 2, case.shares, schedule)
        grid = case.grid(schedule)
        start = case.start(*schedule.at(grid.times[0]))
        drawn = sample(oracle, sampler, grid, images=case.images, shape=(case.dims,), seed=0, dtype=torch.float64, start=start)
        right = drawn @ centre > 0.0
        share = float(right.double().mean())
        require(
            abs(share - case.shares[1]) < case.allowed_share(),
            f"in {case.dims} dimensions the larger part gets {share:.1%} of the samples instead of {case.shares[1]:.0%}",
        )
        for name, part, mean in (("smaller", drawn[~right], -centre), ("larger", drawn[right], centre)):
            _require_part(case, f"in {case.dims} dimensions the {name} part", part, mean)


def _require_part(case: Mixture, which: str, part: Tensor, mean: Tensor) -> None:
    off = float((part.mean(0) - mean) @ mean / mean.norm())
    require(
        abs(off) < case.allowed_mean(len(part)),
        f"{which} is {off:.3g} away from its mean (its standard deviation is {case.std:g})",
    )
    spread = float(part.var(0).mean().sqrt())
    require(
        abs(spread - case.std) < case.allowed_spread(len(part)), f"{which} has standard deviation {spread:.3g}, not {case.std:g}"
    )
