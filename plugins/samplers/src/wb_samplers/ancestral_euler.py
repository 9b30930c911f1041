"""Ancestral Euler steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from pydantic import Field

from wb_samplers.first_order import first_order
from workbench.interfaces import NoiseSource, PosteriorMean, Sampler

if TYPE_CHECKING:
    from torch import Tensor


@final
class AncestralEuler(Sampler[None]):
    """An Euler step to less noise than requested, then fresh noise up to it: "Euler a".

    Karras et al. 2022 (arXiv:2206.00364), section 4, describe such samplers; the split into sigma_down and sigma_up is Song et al. 2021
    (arXiv:2011.13456), appendix F. In coordinates with alpha = 1 it is the first-order rule with eta, so that for any Gaussian path it equals
    `ddim` with the same eta, and `ddpm` at eta = 1. It is listed because its name is well known. One evaluation of the network per step.
    """

    eta: float = Field(1.0, ge=0.0, le=1.0, description="fraction of the ancestral noise; 0 is Euler's method")

    def step(
        self, posterior: PosteriorMean, x: Tensor, t: float, s: float, *, state: None, noise: NoiseSource
    ) -> tuple[Tensor, None]:
        """One move t -> s of `x` [b, ...]."""
        return first_order(posterior, x, t, s, self.eta, noise), None

    def convergence_order(self) -> int | None:
        """1 without noise."""
        return 1 if self.eta == 0.0 else None
