"""A schedule in closed form, so that checks need no plugin; and the schedules that checks run on."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor

from workbench.errors import ComponentError
from workbench.interfaces import NoiseSchedule
from workbench.registry import installed, load


@final
class QuarterCircle(NoiseSchedule):
    """(alpha, sigma) = (cos, sin) of t pi / 2: variance preserving, smooth, alpha = 0 at t = 1 (Salimans & Ho 2022, arXiv:2202.00512)."""

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients [*b] at `t` [*b]."""
        angle = t * (0.5 * math.pi)
        # cos(pi / 2) is 6e-17 in floating point, but alpha must be 0.
        return torch.where(t == 1.0, torch.zeros_like(t), angle.cos()), angle.sin()

    def time(self, logsnr: Tensor) -> Tensor:
        """t = 2 / pi arctan(exp(-logsnr / 2)), [*b]."""
        return torch.arctan((-0.5 * logsnr).exp()) * (2.0 / math.pi)


def schedules_to_test_on() -> dict[str, NoiseSchedule]:
    """The quarter circle, and every installed schedule that loads, with its defaults."""
    schedules: dict[str, NoiseSchedule] = {"quarter circle": QuarterCircle()}
    for entry in installed("schedules"):
        try:
            schedules[entry.name] = load("schedules", entry.qualified)()
        except (ComponentError, ValueError):
            continue  # a broken schedule says nothing about the component under test
    return schedules
