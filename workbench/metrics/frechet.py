"""The Fréchet distance between Gaussians fitted to two sets of features."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["frechet_distance"]


def frechet_distance(real: Tensor, generated: Tensor) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of features [n, d] and [m, d], in float64, never negative.

    Heusel et al. 2017 (arXiv:1706.08500), equation 6, with unbiased covariances as everyone's implementation has them. No matrix
    square root of a product that is not symmetric is taken: with C1 = A^T A and C2 = B^T B the trace of (C1 C2)^(1/2) is the sum of the
    singular values of A B^T, and with enough samples that of the square roots of the eigenvalues of C1^(1/2) C2 C1^(1/2).
    Biased upwards by about d / n: compare only numbers with equal n and m. ValueError for fewer than 2 samples.
    """
    if len(real) < 2 or len(generated) < 2:
        raise ValueError(f"a covariance needs at least 2 samples, got {len(real)} and {len(generated)}")
    a, b = _centred(real), _centred(generated)
    shift = (real.double().mean(0) - generated.double().mean(0)).square().sum()
    spread = a.square().sum() + b.square().sum() - 2.0 * _trace_of_root(a, b)
    return max(float(shift + spread), 0.0)


def _centred(features: Tensor) -> Tensor:
    """A [n, d] with A^T A = the covariance."""
    exact = features.double()
    return (exact - exact.mean(0)) / (len(exact) - 1) ** 0.5


def _trace_of_root(a: Tensor, b: Tensor) -> Tensor:
    """tr((A^T A B^T B)^(1/2)) for A [n, d] and B [m, d]."""
    fewest, dims = min(len(a), len(b)), a.shape[1]
    if fewest < dims:
        # Rank deficient: roots of eigenvalues that should be 0 would add up; singular values have no such error.
        return torch.linalg.svdvals(_reduced(a) @ _reduced(b).T).sum()
    values, vectors = torch.linalg.eigh(a.T @ a)
    root = vectors * values.clamp(min=0.0).sqrt() @ vectors.T
    return torch.linalg.eigvalsh(root @ (b.T @ b) @ root).clamp(min=0.0).sqrt().sum()


def _reduced(a: Tensor) -> Tensor:
    """A matrix of at most d rows with the same A^T A."""
    return a if len(a) <= a.shape[1] else torch.linalg.qr(a, mode="r").R
