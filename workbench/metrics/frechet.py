"""The Fréchet distance between Gaussians fitted to two sets of features."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 256  # columns of a symmetric matrix that are computed at once
EPSILON = torch.finfo(torch.float64).eps
# Bound on the error of the trace, relative to the traces of the covariances. Features of images are far below it.
TOLERATED = 1e-9


def frechet_distance(real: Tensor, generated: Tensor) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of features [n, d] and [m, d], in float64, never negative.

    Heusel et al. 2017 (arXiv:1706.08500), equation 6, with unbiased covariances, as in all other implementations. No matrix
    square root is computed. With C1 = L L^T the trace of (C1 C2)^(1/2) is the sum of the square roots of the eigenvalues of L^T C2 L. If
    a covariance is singular or nearly so, roots of eigenvalues that should be 0 would add up; then, with C1 = A^T A and C2 = B^T B, it
    is the sum of the singular values of A B^T, which is slower and does not have that error.
    Biased upwards by about d / n: compare only numbers with equal n and m. ValueError for fewer than 2 samples.
    """
    if len(real) < 2 or len(generated) < 2:
        raise ValueError(f"a covariance needs at least 2 samples, got {len(real)} and {len(generated)}")
    (m1, a), (m2, b) = _centred(real), _centred(generated)
    spread = a.norm().square() + b.norm().square() - 2.0 * _trace_of_root(a, b)
    return max(float((m1 - m2).square().sum() + spread), 0.0)


def _centred(features: Tensor) -> tuple[Tensor, Tensor]:
    """The mean [d], and A [n, d] with A^T A = the covariance."""
    exact = features.to(torch.float64, copy=True)
    mean = exact.mean(0)
    return mean, exact.sub_(mean).div_((len(exact) - 1) ** 0.5)


def _trace_of_root(a: Tensor, b: Tensor) -> Tensor:
    """tr((A^T A B^T B)^(1/2)) for A [n, d] and B [m, d]."""
    if min(len(a), len(b)) >= a.shape[1]:
        trace = _by_cholesky(_gram(a), _gram(b))
        if trace is not None:
            return trace
    return torch.linalg.svdvals(_reduced(a) @ _reduced(b).T).sum()


def _by_cholesky(c1: Tensor, c2: Tensor) -> Tensor | None:
    """tr((C1 C2)^(1/2)) of symmetric [d, d]; None if rounding errors would be noticeable."""
    lower, failed = torch.linalg.cholesky_ex(c1)
    if failed:
        return None
    values = torch.linalg.eigvalsh(_congruent(lower, c2))
    # Each eigenvalue is known to about `floor`, so its root to floor / (2 root): large for the smallest ones only.
    floor = EPSILON * values[-1]
    error = (floor / (2.0 * values.clamp(min=floor).sqrt())).norm()
    return None if error > TOLERATED * (c1.trace() + c2.trace()) else values.clamp(min=0.0).sqrt().sum()


def _gram(a: Tensor) -> Tensor:
    """A^T A [d, d]."""
    # numpy recognises that both are the same matrix and computes half of the product; torch computes all of it.
    rows = a.numpy(force=True)
    return torch.from_numpy(rows.T @ rows).to(a.device)


def _congruent(lower: Tensor, c: Tensor) -> Tensor:
    """L^T C L [d, d] for L lower triangular and C symmetric; only its lower half is computed, the part that eigvalsh reads."""
    out = c.new_zeros(c.shape)
    for start in range(0, len(c), BLOCK):
        # Entries of L above its diagonal are zero: this takes a third of the work of full products.
        columns = slice(start, start + BLOCK)
        torch.mm(lower[start:, start:].T, c[start:, start:] @ lower[start:, columns], out=out[start:, columns])
    return out


def _reduced(a: Tensor) -> Tensor:
    """A matrix of at most d rows with the same A^T A."""
    return a if len(a) <= a.shape[1] else torch.linalg.qr(a, mode="r").R
