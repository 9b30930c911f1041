"""Distances between generated and real images, with the cards they are told with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.engine.reference import Reference, extract
from workbench.interfaces import Examples, FeatureExtractor
from workbench.metrics import MetricCard, frechet_distance, kernel_distance
from workbench.recipe import Recipe, SamplerSlot

__all__ = ["Distances", "prepare_references"]


class Distances:
    """Fréchet and kernel distance to one reference under one extractor, whose network and real features are kept for the next call.

    Raises WeightsError where the extractor's weights are missing or wrong.
    """

    def __init__(self, extractor: FeatureExtractor, reference: Reference) -> None:
        self._extractor, self._reference = extractor.on(reference.device), reference
        self._function = self._extractor.build(reference.device)
        self._real = reference.features(self._extractor, self._function)

    def features(self, images: Tensor) -> Tensor:
        """Features [n, d], float32 on the host, of uint8 images [n, c, h, w]."""
        return extract(self._function, images, self._reference.device)

    def __call__(
        self, fake: Tensor, slot: SamplerSlot, evaluations: int, seed: int
    ) -> tuple[dict[str, float], dict[str, Mapping[str, Any]]]:
        """Metrics by name, and the card of each, of the features [n, d] of images drawn by `slot` in `evaluations` per image."""
        real = self._real
        card = MetricCard(
            extractor=self._extractor.card(),
            n_real=len(real),
            n_generated=len(fake),
            dataset=self._reference.fingerprint,
            split="train",
            weights="ema",
            sampler=slot.use,
            steps=slot.steps,
            nfe=evaluations,
            guidance=slot.guidance,
            clamp=slot.clamp,
            seed=seed,
        ).to_dict()
        kid, kid_error = kernel_distance(real, fake)
        kid_name = self._extractor.metric("kid")
        metrics = {
            self._extractor.metric("fd"): frechet_distance(real, fake),
            kid_name: kid,
            f"{kid_name}_std_error": kid_error,
        }
        return metrics, dict.fromkeys(metrics, card)


def prepare_references(recipe: Recipe, examples: Examples, cache: Path, device: torch.device) -> None:
    """Compute the real images' features now, where they are not kept yet, so that evaluations find them."""
    reference = Reference.of(examples, recipe.evaluate.real, cache, device)
    for slot in recipe.evaluate.features:
        if not reference.kept(slot.component.on(device)):
            Distances(slot.component, reference)
