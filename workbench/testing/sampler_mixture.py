"""Whether a sampler keeps apart what the data keep apart: shares, means and spreads of a mixture, in few dimensions and in many."""

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

# Steps of equal length in ln(sigma / alpha), from where the parts cannot be told apart to where little is left to decide.
HIGH, LOW = 20.0, 0.01
LENGTH = math.log(HIGH / LOW)
STANDARD_ERRORS = 4.0


@dataclass(frozen=True)
class Mixture:
    """Two Gaussians, 1.4 apart whatever the dimension, and how they are drawn from."""

    dims: int
    images: int
    steps: int
    std: float = 0.12
    shares: tuple[float, float] = (0.3, 0.7)

    @property
    def h(self) -> float:
        """The length of a step in ln(sigma / alpha).

        Errors of first-order samplers are proportional to it. Ho et al.'s algorithm 2 gives a step the mean that it has to have, and a
        variance that is off by (2 h)^2 (v - k sigma^2), v the variance of x0 given x_t and k = 1 for their larger variance, 0 for the smaller.
        So the expectation of any f(x0) is off by 2 h times the integral over ln sigma of E[d^2/dx^2 E[f(x0) | x_t] (v - k sigma^2)]. For this
        mixture that is up to 0.15 h for the shares, and 0.4 h and 0.6 h standard deviations for mean and spread of a part. Euler's method is
        off by 0.03 h, 0.8 h and 0.2 h. (`tests/testing/test_allowances.py` integrates.)
        """
        return LENGTH / (self.steps - 1)

    @property
    def centre(self) -> Tensor:
        """The mean of the larger part [d]; that of the smaller is its opposite."""
        return torch.full((self.dims,), 0.7 / self.dims**0.5, dtype=torch.float64)

    def path(self, schedule: NoiseSchedule) -> TimeGrid:
        """From HIGH, not from t = 1: a first step from where alpha = 0 is longer than all others together, and not what is looked at here."""
        return TimeGrid.of([*(time_at(schedule, HIGH * math.exp(-k * self.h)) for k in range(self.steps)), 0.0])

    def start(self, alpha: float, sigma: float) -> Tensor:
        """Draws of x_t [images, d] at the first time of the path."""
        stream, index = Stream(0, "mixture"), torch.arange(self.images)
        larger = stream.uniform(0, index) < self.shares[1]
        centres = torch.where(larger, self.centre, -self.centre)
        return alpha * centres + math.hypot(alpha * self.std, sigma) * stream.normal(1, index, (self.dims,), torch.float64)

    def allowed_share(self) -> float:
        """What a share may be off by: first-order bias, and what so many draws scatter."""
        return 0.2 * self.h + STANDARD_ERRORS * (self.shares[0] * self.shares[1] / self.images) ** 0.5

    def allowed_mean(self, images: int) -> float:
        """What the mean of a part of so many images may be off by along the line between the parts."""
        return self.std * (self.h + STANDARD_ERRORS / images**0.5)

    def allowed_spread(self, images: int) -> float:
        """What the spread of a part may be off by; the last step, to the posterior mean, costs it LOW^2 of its variance."""
        last = 0.5 * (LOW / self.std) ** 2
        return self.std * (self.h + last + STANDARD_ERRORS / (2.0 * images * self.dims) ** 0.5)


# Few dimensions tell shares and means, many tell whether noise is drawn for each of them.
CASES = (Mixture(1, 8000, 150), Mixture(2, 8000, 150), Mixture(3072, 64, 75))


@check_of("samplers")
def mixture(sampler: Sampler[Any]) -> None:
    """With a mixture of two Gaussians in 1, 2 and 3072 dimensions, each gets its share of the samples, and its own mean and spread."""
    schedule = QuarterCircle()
    for case in CASES:
        centre = case.centre
        oracle = MixtureOracle(torch.stack([-centre, centre]), [case.std] * 2, case.shares, schedule)
        path = case.path(schedule)
        start = case.start(*schedule.at(path.times[0]))
        drawn = sample(oracle, sampler, path, images=case.images, shape=(case.dims,), seed=0, dtype=torch.float64, start=start)
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
    require(abs(off) < case.allowed_mean(len(part)), f"{which} is {off:.3g} away from its mean, at a spread of {case.std:g}")
    found = float(part.var(0).mean().sqrt())
    require(
        abs(found - case.std) < case.allowed_spread(len(part)), f"{which} has standard deviation {found:.3g}, not {case.std:g}"
    )
