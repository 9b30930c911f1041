"""Inverse of schedules without a closed form for it."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.interfaces import NoiseSchedule


def bisected_time(schedule: NoiseSchedule, logsnr: Tensor, iterations: int = 60) -> Tensor:
    """`schedule.time` for schedules without a closed inverse: bisection on t in [0, 1], float64 accuracy after 60 iterations."""
    low = torch.zeros_like(logsnr)
    high = torch.ones_like(logsnr)
    for _ in range(iterations):
        middle = 0.5 * (low + high)
        too_clean = schedule.logsnr(middle) > logsnr
        low, high = torch.where(too_clean, middle, low), torch.where(too_clean, high, middle)
    return torch.where(torch.isinf(logsnr), (logsnr < 0).to(logsnr.dtype), 0.5 * (low + high))
