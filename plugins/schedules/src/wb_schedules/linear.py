"""Betas that grow linearly, or as the squares of what grows linearly."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Self, final

from pydantic import Field, model_validator

from wb_schedules.table import BetaTable

if TYPE_CHECKING:
    from torch import Tensor


class GrowingBetas(BetaTable, ABC):
    """Betas from a first to a last one that were chosen for 1000 steps."""

    beta_start: float = Field(1e-4, gt=0.0, lt=1.0, description="the first beta, for T = 1000")
    beta_end: float = Field(0.02, gt=0.0, lt=1.0, description="the last beta, for T = 1000")
    scale_to_steps: bool = Field(True, description="multiply the betas by 1000 / T, so that every T ends alike")

    @model_validator(mode="after")
    def _betas_below_one(self) -> Self:
        if self.beta_end < self.beta_start:
            raise ValueError(f"beta_end ({self.beta_end:g}) must not be below beta_start ({self.beta_start:g})")
        if self.beta_end * self.scale() >= 1.0:
            raise ValueError(
                f"the last beta would be {self.beta_end * self.scale():.3g}, and must be below 1: "
                f"use at least {int(1000 * self.beta_end) + 1} steps or scale_to_steps = false"
            )
        return self

    def scale(self) -> float:
        """What the betas are multiplied by (Nichol & Dhariwal 2021, arXiv:2102.09672)."""
        return 1000.0 / self.steps if self.scale_to_steps else 1.0


@final
class Linear(GrowingBetas):
    """Betas that grow linearly over T steps: the schedule of DDPM.

    Ho, Jain & Abbeel 2020 (arXiv:2006.11239), section 4. With fewer than 1000 steps the same betas would leave much of the image
    at t = 1; Nichol & Dhariwal 2021 (arXiv:2102.09672) multiply them by 1000 / T, and so does this by default.
    """

    def betas(self) -> Tensor:
        """[T], float64."""
        import torch

        return self.scale() * torch.linspace(self.beta_start, self.beta_end, self.steps, dtype=torch.float64)


@final
class ScaledLinear(GrowingBetas):
    """Betas whose square roots grow linearly over T steps: the schedule of latent diffusion.

    Rombach et al. 2022 (arXiv:2112.10752); the defaults are Stable Diffusion's. Their last signal-to-noise ratio is 0.0047, so that x_T keeps 7 %
    of the image; Lin et al. 2023 (arXiv:2305.08891) show what that costs, and `zero_terminal_snr = true` mends it.
    """

    beta_start: float = Field(8.5e-4, gt=0.0, lt=1.0, description="the first beta, for T = 1000")
    beta_end: float = Field(0.012, gt=0.0, lt=1.0, description="the last beta, for T = 1000")

    def betas(self) -> Tensor:
        """[T], float64."""
        import torch

        return self.scale() * torch.linspace(self.beta_start**0.5, self.beta_end**0.5, self.steps, dtype=torch.float64).square()
