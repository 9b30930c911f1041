"""Feature extractors with one classic mistake each, and the correct one."""

from __future__ import annotations

import itertools
from pathlib import PurePosixPath

import torch
from pydantic import Field, field_serializer
from torch import nn

from workbench.interfaces import ExtractorCard, FeatureExtractor

BUILT = itertools.count()


class Pooled(FeatureExtractor):
    """The correct version: the means of four quarters."""

    def metric(self, family):
        return f"{family}_quarters"

    def card(self):
        return ExtractorCard("quarters", "0" * 64, "none", 12)

    def build(self, device):
        return self.features

    def features(self, images):
        return nn.functional.adaptive_avg_pool2d(images.float(), 2).flatten(1)


class Sound(Pooled):
    """Has no mistake."""


class CallsItselfFid(Pooled):
    """Uses the name of Inception's 2048 features for others."""

    def metric(self, family):
        return {"fd": "fid", "kid": "kid"}[family]


class OneNameForBothDistances(Pooled):
    """Gives the Fréchet and the kernel distance the same name."""

    def metric(self, family):
        return "distance_quarters"


class CardOfAnotherLayer(Pooled):
    """Uses another layer than the card states."""

    def features(self, images):
        return super().features(images)[:, :5]


class ReturnsDoubles(Pooled):
    """Returns the dtype it computes in, not float32."""

    def features(self, images):
        return super().features(images.double()).double()


class DropoutLeftOn(Pooled):
    """Does not call eval()."""

    def features(self, images):
        return nn.functional.dropout(super().features(images), 0.5)


class RandomProjection(Pooled):
    """Projects with random weights that differ in every build."""

    def build(self, device):
        weight = torch.randn(12, 12, generator=torch.Generator().manual_seed(next(BUILT)))
        return lambda images: self.features(images) @ weight


class NormalisedOverTheBatch(Pooled):
    """Subtracts the mean of the batch."""

    def features(self, images):
        pooled = super().features(images)
        return pooled - pooled.mean(0)


class WritesTheNameOfItsFileOnly(Pooled):
    """Writes a path to the recipe without its folder."""

    weights: PurePosixPath = Field(PurePosixPath("weights/quarters.pt"), description="file of the weights")

    @field_serializer("weights")
    def _written(self, path):
        return path.name


CAUGHT_BY: dict[type[FeatureExtractor], str] = {
    CallsItselfFid: "card",
    OneNameForBothDistances: "card",
    CardOfAnotherLayer: "shape",
    ReturnsDoubles: "shape",
    DropoutLeftOn: "determinism",
    RandomProjection: "determinism",
    NormalisedOverTheBatch: "batch_invariance",
    WritesTheNameOfItsFileOnly: "recipe_round_trip",
}
