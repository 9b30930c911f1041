"""Squared-cosine alpha_bar."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, final

from pydantic import Field

from wb_schedules.fields import Steps, ZeroTerminalSNR
from workbench.interfaces import NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.diffusion import BetaTable


@final
class Cosine(NoiseSchedule):
    """alpha_bar(t) = cos^2 of an angle: destroys small images more slowly than linear betas.

    Nichol & Dhariwal 2021 (arXiv:2102.09672), equation 17, with the betas clipped so that alpha stays above 0 at t = 1.
    """

    steps: Steps = 1000
    zero_terminal_snr: ZeroTerminalSNR = False
    offset: float = Field(
        0.008, ge=0.0, le=0.5, description="s: a lower bound on the first betas, which would be negligible otherwise"
    )
    max_beta: float = Field(0.999, gt=0.0, lt=1.0, description="the largest beta; betas above it are clipped")

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients [*b] at `t` [*b]."""
        return _table(self).alpha_sigma(t)

    def time(self, logsnr: Tensor) -> Tensor:
        """The times [*b] at which log-SNR is `logsnr` [*b]."""
        return _table(self).time(logsnr)

    def grid(self) -> int:
        """T."""
        return self.steps


@functools.lru_cache(maxsize=64)
def _table(schedule: Cosine) -> BetaTable:
    import torch

    from workbench.diffusion import BetaTable

    t = torch.arange(schedule.steps + 1, dtype=torch.float64) / schedule.steps
    f = torch.cos((t + schedule.offset) / (1.0 + schedule.offset) * math.pi / 2.0).square()
    betas = (1.0 - f[1:] / f[:-1]).clamp(max=schedule.max_beta)
    return BetaTable.of(betas, zero_terminal_snr=schedule.zero_terminal_snr)
