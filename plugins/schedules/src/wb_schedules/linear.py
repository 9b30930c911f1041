"""Linear betas."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, final

from pydantic import Field, model_validator

from wb_schedules import table
from workbench.interfaces import NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor


@final
class Linear(NoiseSchedule):
    """Betas that grow linearly over T steps: the schedule of DDPM.

    Ho, Jain & Abbeel 2020 (arXiv:2006.11239), section 4. With fewer than 1000 steps the same betas would leave much of the image
    at t = 1; Nichol & Dhariwal 2021 (arXiv:2102.09672) multiply them by 1000 / T, and so does this by default.
    """

    steps: int = Field(1000, ge=2, le=100_000, description="T, the number of betas in the table")
    beta_start: float = Field(1e-4, gt=0.0, lt=1.0, description="the first beta, for T = 1000")
    beta_end: float = Field(0.02, gt=0.0, lt=1.0, description="the last beta, for T = 1000")
    scale_to_steps: bool = Field(True, description="multiply the betas by 1000 / T, so that every T ends in noise")

    @model_validator(mode="after")
    def _betas_below_one(self) -> Linear:
        if self.beta_end < self.beta_start:
            raise ValueError(f"beta_end ({self.beta_end:g}) must not be below beta_start ({self.beta_start:g})")
        if self.beta_end * self._scale() >= 1.0:
            raise ValueError(
                f"the last beta would be {self.beta_end * self._scale():.3g}, and must be below 1: "
                f"use at least {int(1000 * self.beta_end) + 1} steps or scale_to_steps = false"
            )
        return self

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients [*b] at `t` [*b]; at t = i/T exactly the table's."""
        return table.alpha_sigma(_table(self), t)

    def time(self, logsnr: Tensor) -> Tensor:
        """The times [*b] at which log-SNR is `logsnr` [*b]."""
        return table.time(_table(self), logsnr)

    def grid(self) -> int:
        """T."""
        return self.steps

    def _scale(self) -> float:
        return 1000.0 / self.steps if self.scale_to_steps else 1.0


@functools.lru_cache(maxsize=64)
def _table(schedule: Linear) -> Tensor:
    import torch

    scale = schedule._scale()
    return table.log_alpha_bar(
        torch.linspace(scale * schedule.beta_start, scale * schedule.beta_end, schedule.steps, dtype=torch.float64)
    )
