"""DDPM tables as schedules: log(alpha_bar) at t = i/T, interpolated linearly."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def alpha_sigma(table: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """(alpha, sigma) [*b] from log(alpha_bar) [T + 1]: the variance preserving SDE with piecewise constant beta.

    Exact on the grid; sigma by expm1, which keeps its digits where alpha_bar is close to 1.
    """
    log_alpha_bar = interpolate(t.double() * (len(table) - 1), table.to(t.device))
    alpha = (0.5 * log_alpha_bar).exp()
    sigma = (-(log_alpha_bar.expm1())).sqrt()
    return alpha.to(t.dtype), sigma.to(t.dtype)


def time(table: Tensor, logsnr: Tensor) -> Tensor:
    """The times [*b] of `logsnr` [*b]: alpha_bar = sigmoid(logsnr), then the table read backwards."""
    import torch

    rising = -table.to(logsnr.device)  # 0 at t = 0
    wanted = torch.nn.functional.softplus(-logsnr.double())  # -ln alpha_bar
    right = torch.searchsorted(rising, wanted.contiguous()).clamp(1, len(rising) - 1)
    left = right - 1
    share = (wanted - rising[left]) / (rising[right] - rising[left])
    return ((left + share) / (len(rising) - 1)).clamp(0.0, 1.0).to(logsnr.dtype)


def interpolate(position: Tensor, table: Tensor) -> Tensor:
    """`table` [T + 1] at real positions [*b] in [0, T]."""
    left = position.floor().clamp(0, len(table) - 2).long()
    # 1 - share on the left, share on the right: exact at both ends of an interval.
    share = position - left
    return table[left] * (1.0 - share) + table[left + 1] * share


def log_alpha_bar(betas: Tensor) -> Tensor:
    """[0, cumulative sum of log(1 - beta)], float64 [T + 1]."""
    import torch

    return torch.cat([torch.zeros(1, dtype=torch.float64), torch.log1p(-betas.double()).cumsum(0)])
