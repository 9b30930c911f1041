"""DDPM tables as schedules: log(alpha_bar) at t = i/T, interpolated linearly."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pydantic import Field

from workbench.interfaces import NoiseSchedule

if TYPE_CHECKING:
    from torch import Tensor


class BetaTable(NoiseSchedule, ABC):
    """A schedule that is T betas, and between t = i/T the variance preserving SDE with piecewise constant beta."""

    steps: int = Field(1000, ge=2, le=100_000, description="T, the number of betas in the table")
    zero_terminal_snr: bool = Field(
        False,
        description="shift alpha so that nothing of the image is left at t = 1 (Lin et al. 2023); eps cannot be predicted then",
    )

    @abstractmethod
    def betas(self) -> Tensor:
        """The betas [T], float64, below 1."""

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients [*b] at `t` [*b]; at t = i/T exactly the table's."""
        table = _log_alpha_bar(self).to(t.device)
        log_alpha_bar = interpolate(t.double() * self.steps, table)
        alpha = (0.5 * log_alpha_bar).exp()
        # expm1 keeps the digits of sigma where alpha_bar is close to 1.
        sigma = log_alpha_bar.expm1().abs().sqrt()
        if self.zero_terminal_snr:
            alpha, sigma = _shifted(table, alpha, sigma)
        return alpha.to(t.dtype), sigma.to(t.dtype)

    def time(self, logsnr: Tensor) -> Tensor:
        """The times [*b] at which log-SNR is `logsnr` [*b]: alpha_bar = sigmoid(logsnr), then the table read backwards."""
        import torch

        table = _log_alpha_bar(self).to(logsnr.device)
        wanted = torch.nn.functional.logsigmoid(logsnr.double())  # ln alpha_bar
        if self.zero_terminal_snr:
            wanted = _unshifted(table, wanted)
        rising = -table
        right = torch.searchsorted(rising, -wanted.contiguous()).clamp(1, self.steps)
        left = right - 1
        share = (table[left] - wanted) / (table[left] - table[right])
        return ((left + share) / self.steps).clamp(0.0, 1.0).to(logsnr.dtype)

    def grid(self) -> int:
        """T."""
        return self.steps


def interpolate(position: Tensor, table: Tensor) -> Tensor:
    """`table` [T + 1] at real positions [*b] in [0, T]."""
    left = position.floor().clamp(0, len(table) - 2).long()
    # 1 - share on the left, share on the right: exact at both ends of an interval.
    share = position - left
    return table[left] * (1.0 - share) + table[left + 1] * share


@functools.lru_cache(maxsize=64)
def _log_alpha_bar(schedule: BetaTable) -> Tensor:
    """[0, cumulative sum of log(1 - beta)], float64 [T + 1]."""
    import torch

    return torch.cat([torch.zeros(1, dtype=torch.float64), torch.log1p(-schedule.betas().double()).cumsum(0)])


def _ends(table: Tensor) -> tuple[float, float]:
    """alpha at t = 1/T and at t = 1."""
    return float((0.5 * table[1]).exp()), float((0.5 * table[-1]).exp())


def _shifted(table: Tensor, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Lin et al. 2023 (arXiv:2305.08891), algorithm 1: alpha shifted to 0 at t = 1 and stretched to keep its value at t = 1/T.

    Their table starts at 1/T; before it nothing is changed, so that alpha(0) stays 1.
    """
    import torch

    first, last = _ends(table)
    shifted = ((alpha - last) * (first / (first - last))).clamp(min=0.0)
    kept = alpha >= first
    return torch.where(kept, alpha, shifted), torch.where(kept, sigma, ((1.0 - shifted) * (1.0 + shifted)).sqrt())


def _unshifted(table: Tensor, wanted: Tensor) -> Tensor:
    """ln alpha_bar before the shift, from that after it."""
    import torch

    first, last = _ends(table)
    alpha = (0.5 * wanted).exp()
    return torch.where(alpha >= first, wanted, 2.0 * (alpha * ((first - last) / first) + last).log())
