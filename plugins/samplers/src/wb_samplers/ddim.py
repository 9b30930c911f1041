"""Denoising diffusion implicit models."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from pydantic import Field

from wb_samplers.first_order import first_order
from workbench.interfaces import NoiseSource, PosteriorMean, Sampler

if TYPE_CHECKING:
    from torch import Tensor


@final
class DDIM(Sampler[None]):
    """Denoising diffusion implicit models: first order, deterministic at eta = 0, ancestral sampling at eta = 1.

    Song, Meng & Ermon 2021 (arXiv:2010.02502), equations 12 and 16, written for any Gaussian path. At eta = 0 it is Euler's method in
    sigma / alpha, and on a flow schedule Euler's method in t. One evaluation of the network per step.
    """

    eta: float = Field(0.0, ge=0.0, le=1.0, description="fraction of the posterior's noise that is added at each step")

    def step(
        self, posterior: PosteriorMean, x: Tensor, t: float, s: float, *, state: None, noise: NoiseSource
    ) -> tuple[Tensor, None]:
        """One move t -> s of `x` [b, ...]."""
        return first_order(posterior, x, t, s, self.eta, noise), None

    def convergence_order(self) -> int | None:
        """1 without noise."""
        return 1 if self.eta == 0.0 else None
