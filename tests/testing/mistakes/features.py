"""Feature extractors with a classic mistake in each, and the one they would be without it."""

from __future__ import annotations

import itertools
from pathlib import PurePosixPath

import torch
from pydantic import Field, field_serializer
from torch import nn

from workbench.interfaces import ExtractorCard, FeatureExtractor

BUILT = itertools.count()


class Pooled(FeatureExtractor):
    """As it should be: the means of four quarters."""

    def metric(self, family):
        return f"{family}_quarters"

    def card(self):
        return ExtractorCard("quarters", "0" * 64, "none", 12)

    def build(self, device):
        return self.features

    def features(self, images):
        return nn.functional.adaptive_avg_pool2d(images.float(), 2).flatten(1)


class Sound(Pooled):
    """None."""


class CallsItselfFid(Pooled):
    """Takes the name of Inception's 2048 features for others."""

    def metric(self, family):
        return {"fd": "fid", "kid": "kid"}[family]


class OneNameForBothDistances(Pooled):
    """Tells the Fréchet and the kernel distance by the same name."""

    def metric(self, family):
        return "distance_quarters"


class CardOfAnotherLayer(Pooled):
    """Cuts its network at another layer than the card says."""

    def features(self, images):
        return super().features(images)[:, :5]


class TakesFloats(Pooled):
    """Returns what it computes in, not float32."""

    def features(self, images):
        return super().features(images.double()).double()


class DropoutLeftOn(Pooled):
    """Forgets eval()."""

    def features(self, images):
        return nn.functional.dropout(super().features(images), 0.5)


class RandomProjection(Pooled):
    """Projects with weights that every build draws anew."""

    def build(self, device):
        weight = torch.randn(12, 12, generator=torch.Generator().manual_seed(next(BUILT)))
        return lambda images: self.features(images) @ weight


class NormalisedOverTheBatch(Pooled):
    """Subtracts the mean of the batch."""

    def features(self, images):
        pooled = super().features(images)
        return pooled - pooled.mean(0)


class WritesTheNameOfItsFileOnly(Pooled):
    """Writes a path into the recipe without its folder."""

    weights: PurePosixPath = Field(PurePosixPath("weights/quarters.pt"), description="file of the weights")

    @field_serializer("weights")
    def _written(self, path):
        return path.name


CAUGHT_BY: dict[type[FeatureExtractor], str] = {
    CallsItselfFid: "card",
    OneNameForBothDistances: "card",
    CardOfAnotherLayer: "shape",
    TakesFloats: "shape",
    DropoutLeftOn: "determinism",
    RandomProjection: "determinism",
    NormalisedOverTheBatch: "batch_invariance",
    WritesTheNameOfItsFileOnly: "recipe_round_trip",
}
