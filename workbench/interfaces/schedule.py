"""The noise schedule: how much is data and how much is noise at each time."""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from workbench.interfaces.component import Component

if TYPE_CHECKING:
    from torch import Tensor


class NoiseSchedule(Component, ABC):
    """`x_t = alpha_t x0 + sigma_t eps` for t in [0, 1], 0 = data, 1 = noise.

    Laws: sigma(0) = 0; logsnr = 2 ln(alpha / sigma) decreases strictly; `time(logsnr(t)) == t`; results keep the dtype and
    device of the argument.
    """

    @abstractmethod
    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return the signal and noise coefficients at times `t` [*b] in [0, 1]: two tensors [*b]."""

    @abstractmethod
    def time(self, logsnr: Tensor) -> Tensor:
        """Return the times [*b] at which log-SNR has the values `logsnr` [*b], clamped to [0, 1]."""

    def logsnr(self, t: Tensor) -> Tensor:
        """2 ln(alpha / sigma) at `t` [*b]: +inf at 0, -inf if alpha is 0."""
        alpha, sigma = self.alpha_sigma(t)
        return 2.0 * (alpha.log() - sigma.log())

    def at(self, t: float) -> tuple[float, float]:
        """(alpha, sigma) at one time, in float64 on the host."""
        return _at(self, t)

    def grid(self) -> int | None:
        """Return the number of steps T of a schedule that is a table at t = i/T; None if time is continuous."""
        return None


@functools.lru_cache(maxsize=16_384)
def _at(schedule: NoiseSchedule, t: float) -> tuple[float, float]:
    import torch

    if not 0.0 <= t <= 1.0 or math.isnan(t):
        raise ValueError(f"t must be in [0, 1], got {t}")
    alpha, sigma = schedule.alpha_sigma(torch.tensor(t, dtype=torch.float64))
    return float(alpha), float(sigma)
