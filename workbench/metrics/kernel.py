"""The kernel distance between two sets of features."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["kernel_distance"]

ROWS = 1024


def kernel_distance(real: Tensor, generated: Tensor) -> tuple[float, float]:
    """KID of features [n, d] and [m, d], and its standard error.

    The unbiased estimate of MMD^2 with the kernel (x.y / d + 1)^3 (Binkowski et al. 2018, arXiv:1801.01401, section 4), over all pairs
    instead of random subsets: nothing is drawn, so nothing varies. It may be negative where the sets are alike. The standard error is
    that of its first-order terms (Hoeffding 1948); it is too large by little where the distance is near 0. ValueError for fewer than 2.
    """
    n, m = len(real), len(generated)
    if n < 2 or m < 2:
        raise ValueError(f"the kernel distance needs at least 2 samples, got {n} and {m}")
    x, y = real.double(), generated.double()
    within_x = torch.cat([(k.sum(1) - own) / (n - 1) for k, own in _rows(x)])  # mean kernel with the others [n]
    within_y = torch.cat([(k.sum(1) - own) / (m - 1) for k, own in _rows(y)])  # [m]
    x_to_y = torch.cat([_kernel(rows, y).mean(1) for rows in x.split(ROWS)])  # [n]
    y_to_x = torch.cat([_kernel(rows, x).mean(1) for rows in y.split(ROWS)])  # [m]

    value = within_x.mean() + within_y.mean() - 2.0 * x_to_y.mean()
    variance = 4.0 * ((within_x - x_to_y).var() / n + (within_y - y_to_x).var() / m)
    return float(value), float(variance.sqrt())


def _rows(x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Blocks of the kernel matrix [rows, n], each with its diagonal elements [rows]."""
    for rows in x.split(ROWS):
        yield _kernel(rows, x), (rows.square().sum(1) / x.shape[1] + 1.0) ** 3


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    base = x @ y.T / x.shape[1] + 1.0
    return base * base * base
