"""Betas that grow linearly, or whose square roots do."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Self, final

from pydantic import model_validator

from wb_schedules.fields import FirstBeta, LastBeta, ScaleToSteps, Steps, ZeroTerminalSNR
from workbench.interfaces import NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.diffusion import BetaTable


@final
class Linear(NoiseSchedule):
    """Betas that grow linearly over T steps: the schedule of DDPM.

    Ho, Jain & Abbeel 2020 (arXiv:2006.11239), section 4. With fewer than 1000 steps the same betas would leave much of the image
    at t = 1; Nichol & Dhariwal 2021 (arXiv:2102.09672) multiply them by 1000 / T, the default here.
    """

    steps: Steps = 1000
    zero_terminal_snr: ZeroTerminalSNR = False
    beta_start: FirstBeta = 1e-4
    beta_end: LastBeta = 0.02
    scale_to_steps: ScaleToSteps = True

    @model_validator(mode="after")
    def _betas_below_one(self) -> Self:
        _check(self)
        return self

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients [*b] at `t` [*b]."""
        return _linear(self).alpha_sigma(t)

    def time(self, logsnr: Tensor) -> Tensor:
        """The times [*b] at which log-SNR is `logsnr` [*b]."""
        return _linear(self).time(logsnr)

    def grid(self) -> int:
        """T."""
        return self.steps


@final
class ScaledLinear(NoiseSchedule):
    """Betas whose square roots grow linearly over T steps: the schedule of latent diffusion.

    Rombach et al. 2022 (arXiv:2112.10752); the defaults are Stable Diffusion's. Their last signal-to-noise ratio is 0.0047, so x_T contains 7 %
    of the image; Lin et al. 2023 (arXiv:2305.08891) describe the consequences, and `zero_terminal_snr = true` avoids them.
    """

    steps: Steps = 1000
    zero_terminal_snr: ZeroTerminalSNR = False
    beta_start: FirstBeta = 8.5e-4
    beta_end: LastBeta = 0.012
    scale_to_steps: ScaleToSteps = True

    @model_validator(mode="after")
    def _betas_below_one(self) -> Self:
        _check(self)
        return self

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients [*b] at `t` [*b]."""
        return _scaled_linear(self).alpha_sigma(t)

    def time(self, logsnr: Tensor) -> Tensor:
        """The times [*b] at which log-SNR is `logsnr` [*b]."""
        return _scaled_linear(self).time(logsnr)

    def grid(self) -> int:
        """T."""
        return self.steps


@functools.lru_cache(maxsize=64)
def _linear(schedule: Linear) -> BetaTable:
    import torch

    from workbench.diffusion import BetaTable

    betas = torch.linspace(schedule.beta_start, schedule.beta_end, schedule.steps, dtype=torch.float64)
    return BetaTable.of(_scale(schedule) * betas, zero_terminal_snr=schedule.zero_terminal_snr)


@functools.lru_cache(maxsize=64)
def _scaled_linear(schedule: ScaledLinear) -> BetaTable:
    import torch

    from workbench.diffusion import BetaTable

    roots = torch.linspace(schedule.beta_start**0.5, schedule.beta_end**0.5, schedule.steps, dtype=torch.float64)
    return BetaTable.of(_scale(schedule) * roots.square(), zero_terminal_snr=schedule.zero_terminal_snr)


def _scale(schedule: Linear | ScaledLinear) -> float:
    """The factor on the betas (Nichol & Dhariwal 2021, arXiv:2102.09672)."""
    return 1000.0 / schedule.steps if schedule.scale_to_steps else 1.0


def _check(schedule: Linear | ScaledLinear) -> None:
    """Raise ValueError if the betas decrease, or reach 1."""
    first, last = schedule.beta_start, schedule.beta_end
    if last < first:
        raise ValueError(f"beta_end ({last:g}) must not be below beta_start ({first:g})")
    if last * _scale(schedule) >= 1.0:
        raise ValueError(
            f"the last beta would be {last * _scale(schedule):.3g}, but must be below 1: "
            f"use at least {int(1000 * last) + 1} steps or scale_to_steps = false"
        )
