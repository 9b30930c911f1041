"""DDPM tables: log(alpha_bar) at t = i/T, interpolated linearly."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class BetaTable:
    """The coefficients of T betas, and between t = i/T those of the variance preserving SDE with piecewise constant beta.

    A schedule that is a table creates one from its fields and computes `alpha_sigma`, `time` and `grid` with it.
    """

    log_alpha_bar: Tensor  # [T + 1], float64: ln(alpha_bar) at t = i/T, from 0 at t = 0
    zero_terminal_snr: bool = False

    @classmethod
    def of(cls, betas: Tensor, *, zero_terminal_snr: bool = False) -> BetaTable:
        """Create the table of `betas` [T], each below 1; with `zero_terminal_snr`, alpha is shifted to 0 at t = 1 (Lin et al. 2023)."""
        log_alpha_bar = torch.cat([torch.zeros(1, dtype=torch.float64), torch.log1p(-betas.double()).cumsum(0)])
        return cls(log_alpha_bar, zero_terminal_snr)

    @property
    def steps(self) -> int:
        """T."""
        return len(self.log_alpha_bar) - 1

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients [*b] at `t` [*b]; at t = i/T exactly the table's."""
        table = self.log_alpha_bar.to(t.device)
        log_alpha_bar = _interpolate(t.double() * self.steps, table)
        alpha = (0.5 * log_alpha_bar).exp()
        # expm1 keeps the digits of sigma if alpha_bar is close to 1.
        sigma = log_alpha_bar.expm1().abs().sqrt()
        if self.zero_terminal_snr:
            alpha, sigma = _shifted(table, alpha, sigma)
        return alpha.to(t.dtype), sigma.to(t.dtype)

    def time(self, logsnr: Tensor) -> Tensor:
        """The times [*b] at which log-SNR is `logsnr` [*b]: alpha_bar = sigmoid(logsnr), then the table read backwards."""
        table = self.log_alpha_bar.to(logsnr.device)
        wanted = torch.nn.functional.logsigmoid(logsnr.double())  # ln alpha_bar
        if self.zero_terminal_snr:
            wanted = _unshifted(table, wanted)
        rising = -table
        right = torch.searchsorted(rising, -wanted.contiguous()).clamp(1, self.steps)
        left = right - 1
        share = (table[left] - wanted) / (table[left] - table[right])
        return ((left + share) / self.steps).clamp(0.0, 1.0).to(logsnr.dtype)


def _interpolate(position: Tensor, table: Tensor) -> Tensor:
    """`table` [T + 1] at real positions [*b] in [0, T]."""
    left = position.floor().clamp(0, len(table) - 2).long()
    # 1 - share on the left, share on the right: exact at both ends of an interval.
    share = position - left
    return table[left] * (1.0 - share) + table[left + 1] * share


def _ends(table: Tensor) -> tuple[float, float]:
    """alpha at t = 1/T and at t = 1."""
    return float((0.5 * table[1]).exp()), float((0.5 * table[-1]).exp())


def _shifted(table: Tensor, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Lin et al. 2023 (arXiv:2305.08891), algorithm 1: alpha shifted to 0 at t = 1 and stretched to keep its value at t = 1/T.

    Their table starts at 1/T; smaller t are not changed, so that alpha(0) stays 1.
    """
    first, last = _ends(table)
    shifted = ((alpha - last) * (first / (first - last))).clamp(min=0.0)
    unchanged = alpha >= first
    return torch.where(unchanged, alpha, shifted), torch.where(unchanged, sigma, ((1.0 - shifted) * (1.0 + shifted)).sqrt())


def _unshifted(table: Tensor, wanted: Tensor) -> Tensor:
    """ln alpha_bar before the shift, from ln alpha_bar after it."""
    first, last = _ends(table)
    alpha = (0.5 * wanted).exp()
    return torch.where(alpha >= first, wanted, 2.0 * (alpha * ((first - last) / first) + last).log())
