"""Measuring the order of convergence of a sampler."""

from __future__ import annotations

import math
from typing import Any

import torch

from workbench.diffusion import TimeGrid
from workbench.interfaces import NoiseSchedule, Sampler
from workbench.testing.oracles import ForbiddenNoise, MixtureOracle
from workbench.testing.walking import walk

# The components of the mixture below separate between these values of log-SNR; outside, all solvers are exact, which would hide their order.
FROM, TO = -2.0, 4.0
# Steps of h = 3 / N in ln(sigma / alpha). An error c h^p (1 + k h) has, by least squares over N, 2 N and 4 N, a slope that is off by 0.54 k h. The
# posterior mean of the mixture changes within about 0.3, so that k is about 3, and the slope is off by 0.04 from N = 128, by 0.3 from N = 16. At
# N = 512 the error of a fourth-order method, 5e-10, is still far above the rounding of float64, and that of second order, 2e-6, above float32.
STEPS = (128, 256, 512)
# Twice the expected deviation of a correct claim; a term of the next lower order may be a tenth of the error.
TOLERANCE = 0.1


def measured_order(sampler: Sampler[Any], schedule: NoiseSchedule, steps: tuple[int, ...] = STEPS) -> float:
    """The slope of log error over log step length, by least squares, against the exact probability flow of a mixture of two Gaussians."""
    errors = flow_errors(sampler, schedule, steps)
    x = torch.tensor([-math.log(n) for n in steps], dtype=torch.float64)
    y = torch.tensor([math.log(max(error, 1e-300)) for error in errors], dtype=torch.float64)
    return float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())


def flow_errors(sampler: Sampler[Any], schedule: NoiseSchedule, steps: tuple[int, ...] = STEPS) -> list[float]:
    """Root mean square error of x, relative to its spread, after so many equal steps in log-SNR."""
    oracle = MixtureOracle([-1.0, 0.8], [0.3, 0.2], [0.4, 0.6], schedule)
    errors = []
    for count in steps:
        logsnr = torch.linspace(FROM, TO, count + 1, dtype=torch.float64)
        grid = TimeGrid.of(schedule.time(logsnr).tolist())
        (alpha_t, sigma_t), (alpha_s, sigma_s) = schedule.at(grid.times[0]), schedule.at(grid.times[-1])
        start = math.hypot(alpha_t, sigma_t) * torch.linspace(-2.0, 2.0, 17, dtype=torch.float64)[:, None]
        truth = oracle.flow(start, grid.times[0], grid.times[-1])
        off = walk(sampler, oracle, grid, start, ForbiddenNoise()) - truth
        errors.append(float(off.square().mean().sqrt()) / math.hypot(alpha_s, sigma_s))
    return errors
