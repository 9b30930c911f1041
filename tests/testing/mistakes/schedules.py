"""Noise schedules with one classic mistake each."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from workbench.interfaces import NoiseSchedule


class SinglePrecisionProduct(NoiseSchedule):
    """alpha_bar as a cumulative product in float32."""

    def table(self) -> Tensor:
        betas = torch.linspace(1e-4, 0.02, 1000)
        return torch.cat([torch.ones(1), torch.cumprod(1.0 - betas, 0)]).double()

    def alpha_sigma(self, t):
        position = t.double() * 1000
        left = position.floor().clamp(0, 999).long()
        log = self.table().log()
        log = log[left] * (1 - (position - left)) + log[left + 1] * (position - left)
        return (0.5 * log).exp().to(t.dtype), (1.0 - log.exp()).sqrt().to(t.dtype)

    def time(self, logsnr):
        from workbench.diffusion import bisected_time

        return bisected_time(self, logsnr)

    def grid(self):
        return 1000


class ReversedFlow(NoiseSchedule):
    """t = 0 is noise and t = 1 data, as in flow matching papers."""

    def alpha_sigma(self, t):
        return t.clone(), 1.0 - t

    def time(self, logsnr):
        return torch.sigmoid(0.5 * logsnr)


class InverseOfSNR(NoiseSchedule):
    """Uses SNR instead of log-SNR in the inverse."""

    def alpha_sigma(self, t):
        return 1.0 - t, t.clone()

    def time(self, logsnr):
        return 1.0 / (1.0 + logsnr.clamp(min=0.0).sqrt())


class ClippedTooEarly(NoiseSchedule):
    """Stops adding noise at t = 0.9."""

    def alpha_sigma(self, t):
        return 1.0 - t.clamp(max=0.9), t.clamp(max=0.9)

    def time(self, logsnr):
        return torch.sigmoid(-0.5 * logsnr)


class AlwaysDoubles(NoiseSchedule):
    """Returns float64 for float32."""

    def alpha_sigma(self, t):
        return 1.0 - t.double(), t.double()

    def time(self, logsnr):
        return torch.sigmoid(-0.5 * logsnr.double())


class BetasInAList(NoiseSchedule):
    """Has a field that cannot be hashed; the caches of coefficients hash schedules."""

    powers: list[float] = Field([1.0], description="exponents of t")

    def alpha_sigma(self, t):
        return 1.0 - t, t.clone()

    def time(self, logsnr):
        return torch.sigmoid(-0.5 * logsnr)


CAUGHT_BY: dict[type[Any], str] = {
    SinglePrecisionProduct: "double_precision",
    ReversedFlow: "limits",
    InverseOfSNR: "inverse",
    ClippedTooEarly: "monotone",
    AlwaysDoubles: "dtype_and_shape",
    BetasInAList: "recipe_round_trip",
}
