"""The checks of samplers against exact results, with posterior means in closed form."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch

from workbench.diffusion import TimeGrid, sample
from workbench.interfaces import Sampler
from workbench.random import Stream
from workbench.testing.checking import NotApplicable, check_of, require
from workbench.testing.drawing import MEAN, STD, sample_with
from workbench.testing.moments import reached_moments
from workbench.testing.oracles import Constant, GaussianOracle
from workbench.testing.order import TOLERANCE, measured_order
from workbench.testing.reference import schedules_to_test_on
from workbench.testing.sampler_mixture import mixture

DRAWN = 20_000


@check_of("samplers")
def reaches_a_point(sampler: Sampler[Any]) -> None:
    """If the data are a single point, a grid to t = 0 ends at exactly that point: no noise is added, no step is left out."""
    point = torch.tensor([0.25], dtype=torch.float64)
    for name, schedule in schedules_to_test_on().items():
        for steps in (1, 2, 7):
            drawn = sample(
                Constant(point, schedule), sampler, TimeGrid.uniform(steps), images=4, shape=(1,), seed=0, dtype=torch.float64
            )
            off = float((drawn - point).abs().max().nan_to_num(nan=math.inf))
            require(off < 1e-9, f"after {steps} steps on {name} it is {off:.3g} away from the only data point")


@check_of("samplers")
def moments(sampler: Sampler[Any]) -> None:
    """With Gaussian data it reaches their exact mean and standard deviation in the limit of many steps, on every schedule."""
    for name, schedule in schedules_to_test_on().items():
        oracle = GaussianOracle(MEAN, STD, schedule)
        few, many = (_moment_error(sampler, oracle, TimeGrid.uniform(steps)) for steps in (50, 200))
        require(
            many.off < 0.03 + many.scatter,
            f"on {name}, mean and standard deviation are off by {many.off:.3g} after 200 steps, {few.off:.3g} after 50",
        )
        require(
            many.off < max(0.6 * few.off, 1e-3) + many.scatter,
            f"on {name}, the error in mean and standard deviation does not vanish: {few.off:.3g} after 50 steps, {many.off:.3g} after 200",
        )


class _MomentError(NamedTuple):
    off: float  # of mean or standard deviation, the larger one
    scatter: float  # the part of it that may be sampling error


def _moment_error(sampler: Sampler[Any], oracle: GaussianOracle, grid: TimeGrid) -> _MomentError:
    scatter = 0.0
    try:
        mean, std = reached_moments(sampler, oracle, grid)
    except ValueError:  # not linear in x: estimate by sampling
        scatter = 4.0 * STD / DRAWN**0.5  # four standard errors of the mean
        mean_t, std_t = oracle.marginal(grid.times[0])
        start = mean_t + std_t * Stream(0, "moments").normal(0, torch.arange(DRAWN), (1,), torch.float64)
        drawn = sample(oracle, sampler, grid, images=DRAWN, shape=(1,), seed=0, dtype=torch.float64, start=start)
        mean, std = float(drawn.mean()), float(drawn.std())
    error = max(abs(mean - oracle.mean), abs(std - oracle.std))
    return _MomentError(error if math.isfinite(error) else math.inf, scatter)


@check_of("samplers")
def any_step_count(sampler: Sampler[Any]) -> None:
    """It visits the times it is given: irregular times and prime numbers of steps give the same data."""
    generator = torch.Generator().manual_seed(0)
    for name, schedule in schedules_to_test_on().items():
        for steps in (97, 211):
            jitter = torch.rand(steps - 1, generator=generator, dtype=torch.float64) * 0.8 - 0.4
            times = [1.0, *((torch.arange(steps - 1, 0, -1) + jitter) / steps).tolist(), 0.0]
            off, scatter = _moment_error(sampler, GaussianOracle(MEAN, STD, schedule), TimeGrid.of(times))
            require(off < 0.06 + scatter, f"{steps} irregular steps on {name} miss mean or standard deviation by {off:.3g}")


@check_of("samplers")
def convergence_order(sampler: Sampler[Any]) -> None:
    """Its error falls with the power of the step length that it claims, within 0.1, on every schedule."""
    claimed = sampler.convergence_order()
    if claimed is None:
        raise NotApplicable("no order is claimed (convergence_order() is None)")
    for name, schedule in schedules_to_test_on().items():
        order = measured_order(sampler, schedule)
        require(abs(order - claimed) <= TOLERANCE, f"on {name}, order {order:.2f} is measured and {claimed} is claimed")


@check_of("samplers")
def finite_ends(sampler: Sampler[Any]) -> None:
    """Results are finite from t = 1, also with alpha = 0, to t = 0, where sigma = 0, in one step and in many."""
    for name, schedule in schedules_to_test_on().items():
        for times in ([1.0, 0.0], [1.0, 1e-4, 0.0], [1.0, 0.999, 0.5, 0.0]):
            for dtype in (torch.float32, torch.float64):
                drawn = sample_with(sampler, schedule, TimeGrid.of(times), 2, dtype)
                require(bool(torch.isfinite(drawn).all()), f"the grid {times} on {name} ends in {drawn.flatten()[0]} ({dtype})")


@check_of("samplers")
def dtypes(sampler: Sampler[Any]) -> None:
    """float32 and float64 are kept, and their results agree."""
    for name, schedule in schedules_to_test_on().items():
        single, double = (
            sample_with(sampler, schedule, TimeGrid.uniform(10), 4, dtype) for dtype in (torch.float32, torch.float64)
        )
        require(
            (single.dtype, double.dtype) == (torch.float32, torch.float64),
            f"float32 became {single.dtype}, float64 {double.dtype}",
        )
        off = float((single.double() - double).abs().max().nan_to_num(nan=math.inf))
        require(off < 1e-3, f"on {name}, float32 and float64 differ by {off:.3g} after 10 steps")


TRUTH_CHECKS = (reaches_a_point, moments, mixture, any_step_count, convergence_order, finite_ends, dtypes)
