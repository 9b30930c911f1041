"""The posterior mean that a recipe's sampler sees: the network's view under a condition, guided and clamped."""

from __future__ import annotations

from torch import Tensor

from workbench.diffusion import Clamped, ConditionalPosteriorMean, Conditioned, Guided
from workbench.interfaces import PosteriorMean
from workbench.recipe import SamplerSlot


def guided_posterior(view: ConditionalPosteriorMean, slot: SamplerSlot, cond: Tensor | None) -> PosteriorMean:
    """`view` under the condition `cond` [b], with the guidance that `slot` sets; without a condition there is nothing to guide."""
    conditioned = Conditioned(view, cond)
    return conditioned if cond is None or slot.guidance == 1.0 else Guided(conditioned, slot.guidance)


def limited_posterior(posterior: PosteriorMean, slot: SamplerSlot) -> PosteriorMean:
    """`posterior` within the range of the data, if `slot` clamps. Clamping comes after guidance, which leaves the range."""
    return Clamped(posterior) if slot.clamp else posterior
