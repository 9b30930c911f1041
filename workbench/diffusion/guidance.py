"""Guidance: extrapolating from a worse posterior mean to a better one."""

from __future__ import annotations

from torch import Tensor

from workbench.interfaces import PosteriorMean


class Guided:
    """`guide + scale (inner - guide)`: scale 1 is the inner posterior, a larger scale is stronger guidance.

    With the same network without its condition as guide: classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598, in x0).
    With a smaller or less trained network: autoguidance (Karras et al. 2024, arXiv:2406.02507).
    """

    def __init__(self, inner: PosteriorMean, scale: float, guide: PosteriorMean | None = None) -> None:
        self.inner, self.scale = inner, scale
        self.guide = unconditioned(inner) if guide is None else guide
        self.schedule = inner.schedule

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """The guided D(x, t); scale 1 costs one evaluation."""
        if self.scale == 1.0:
            return self.inner(x, t)
        guide = self.guide(x, t)
        return guide + self.scale * (self.inner(x, t) - guide)


def unconditioned(posterior: PosteriorMean) -> PosteriorMean:
    """The same posterior without its condition."""
    from workbench.diffusion.posterior import Conditioned

    if not isinstance(posterior, Conditioned):
        raise TypeError(
            "Guided without a guide needs a Conditioned posterior: its guide is the same network without the condition"
        )
    return Conditioned(posterior.inner, None)
