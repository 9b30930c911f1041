"""The kernel distance between two sets of features."""

from __future__ import annotations

from torch import Tensor

ROWS = 256  # of the kernel matrix at once: a block that stays in the CPU cache


def kernel_distance(real: Tensor, generated: Tensor) -> tuple[float, float]:
    """KID of features [n, d] and [m, d], and its standard error.

    The unbiased estimate of MMD^2 with the kernel (x.y / d + 1)^3 (Binkowski et al. 2018, arXiv:1801.01401, section 4), over all pairs
    instead of random subsets, so the result is not random. It may be negative if the sets are alike. The standard error is
    that of its first-order terms (Hoeffding 1948), slightly too large for a distance near 0. ValueError for fewer than 2 samples.
    """
    n, m = len(real), len(generated)
    if n < 2 or m < 2:
        raise ValueError(f"the kernel distance needs at least 2 samples, got {n} and {m}")
    x, y = real.double(), generated.double()
    within_x, within_y = _within(x), _within(y)  # [n], [m]
    x_to_y, y_to_x = _between(x, y)  # [n], [m]

    value = within_x.mean() + within_y.mean() - 2.0 * x_to_y.mean()
    variance = 4.0 * ((within_x - x_to_y).var() / n + (within_y - y_to_x).var() / m)
    return float(value), float(variance.sqrt())


def _within(x: Tensor) -> Tensor:
    """The mean kernel [n] of each of `x` [n, d] with the others; each pair is computed once."""
    sums = -((x.square().sum(1) / x.shape[1] + 1.0) ** 3)  # without itself
    for start in range(0, len(x), ROWS):
        kernel = _kernel(x[start : start + ROWS], x[start:])
        sums[start : start + ROWS] += kernel.sum(1)
        sums[start + ROWS :] += kernel[:, ROWS:].sum(0)
    return sums / (len(x) - 1)


def _between(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The mean kernel of each of `x` [n, d] with all of `y` [m, d], and of each of `y` with all of `x`: [n], [m]."""
    of_x, of_y = x.new_empty(len(x)), y.new_zeros(len(y))
    for start in range(0, len(x), ROWS):
        kernel = _kernel(x[start : start + ROWS], y)
        of_x[start : start + ROWS] = kernel.mean(1)
        of_y += kernel.sum(0)
    return of_x, of_y / len(x)


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T).div_(x.shape[1]).add_(1.0).pow_(3)
