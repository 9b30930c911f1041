"""Datasets with one classic mistake each, and the correct examples."""

from __future__ import annotations

import torch
from pydantic import ConfigDict

from workbench.interfaces import Dataset, Example, Examples, Provenance, SampleSpec

COUNT = 20


class Noise(Examples):
    """The correct version: noise in [-1, 1], the same on every access, other noise in the other split."""

    def __init__(self, split):
        self.split = split

    @property
    def provenance(self):
        return Provenance("noise", "made up", self.split)

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        return Example(2.0 * self.uniform(index) - 1.0)

    def uniform(self, index):
        seed = index + (COUNT if self.split == "test" else 0)
        return torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(seed))


class Described(Dataset):
    """Three channels of 8 x 8, no labels."""

    def describe(self):
        return SampleSpec(3, 8, 8)

    def load(self, split, resources):
        return Noise(split)


class Sound(Described):
    """Has no mistake."""


class UndescribedLabels(Described):
    """Returns labels, but describes no classes."""

    def load(self, split, resources):
        class Labelled(Noise):
            def __getitem__(self, index):
                return Example(self.uniform(index) * 2.0 - 1.0, index % 2)

        return Labelled(split)


class WidthBeforeHeight(Described):
    """Describes width and height in the order of PIL."""

    def describe(self):
        return SampleSpec(3, 8, 6)

    def load(self, split, resources):
        class Wide(Noise):
            def uniform(self, index):
                return super().uniform(index)[:, :6]

        return Wide(split)


class FromZeroToOne(Described):
    """Returns ToTensor's [0, 1]."""

    def load(self, split, resources):
        class Unscaled(Noise):
            def __getitem__(self, index):
                return Example(self.uniform(index))

        return Unscaled(split)


class BatchesReadDifferently(Described):
    """Reads batches by other code, which does not scale to [-1, 1]."""

    def load(self, split, resources):
        class Fast(Noise):
            def images(self, indices):
                return torch.stack([self.uniform(i) - 0.5 for i in indices])

        return Fast(split)


class RandomCrops(Described):
    """Augments during loading."""

    def load(self, split, resources):
        class Random(Noise):
            def uniform(self, index):
                return torch.rand(3, 8, 8)

        return Random(split)


class SameImagesInBothSplits(Described):
    """Ignores the split."""

    def load(self, split, resources):
        return Noise("train")


class Streaming(Noise):
    """Holds a generator, like a reader of a stream."""

    def __init__(self, split):
        super().__init__(split)
        self.stream = (item for item in ())


class CannotBePickled(Described):
    """Holds an object that cannot be sent to data workers."""

    def load(self, split, resources):
        return Streaming(split)


class CanBeChanged(Described):
    """Is not frozen."""

    model_config = ConfigDict(frozen=False)


CAUGHT_BY: dict[type[Dataset], str] = {
    UndescribedLabels: "description",
    WidthBeforeHeight: "description",
    FromZeroToOne: "value_range",
    BatchesReadDifferently: "value_range",
    RandomCrops: "determinism",
    SameImagesInBothSplits: "determinism",
    CannotBePickled: "pickles",
    CanBeChanged: "recipe_round_trip",
}
