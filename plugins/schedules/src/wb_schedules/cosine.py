"""Squared-cosine alpha_bar."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, final

from pydantic import Field

from wb_schedules.table import BetaTable

if TYPE_CHECKING:
    from torch import Tensor


@final
class Cosine(BetaTable):
    """alpha_bar(t) = cos^2 of an angle: destroys small images more slowly than linear betas do.

    Nichol & Dhariwal 2021 (arXiv:2102.09672), equation 17, with the betas clipped so that t = 1 keeps a trace of the image.
    """

    offset: float = Field(0.008, ge=0.0, le=0.5, description="s: keeps the first betas from being too small to be noticed")
    max_beta: float = Field(0.999, gt=0.0, lt=1.0, description="the largest beta; betas above it are clipped")

    def betas(self) -> Tensor:
        """[T], float64."""
        import torch

        t = torch.arange(self.steps + 1, dtype=torch.float64) / self.steps
        f = torch.cos((t + self.offset) / (1.0 + self.offset) * math.pi / 2.0).square()
        return (1.0 - f[1:] / f[:-1]).clamp(max=self.max_beta)
