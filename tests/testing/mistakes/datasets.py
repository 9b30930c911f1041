"""Datasets with a classic mistake in each, and the examples they would hold without it."""

from __future__ import annotations

import torch
from pydantic import ConfigDict

from workbench.interfaces import Dataset, Example, Examples, Provenance, SampleSpec

COUNT = 20


class Pictures(Examples):
    """As it should be: noise in [-1, 1], the same whenever it is asked for, other noise in the other split."""

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
        return Pictures(split)


class Sound(Described):
    """None."""


class LabelsNobodyDescribed(Described):
    """Hands out labels, and describes no classes."""

    def load(self, split, resources):
        class Labelled(Pictures):
            def __getitem__(self, index):
                return Example(self.uniform(index) * 2.0 - 1.0, index % 2)

        return Labelled(split)


class WidthBeforeHeight(Described):
    """Describes width and height in the order in which PIL tells them."""

    def describe(self):
        return SampleSpec(3, 8, 6)

    def load(self, split, resources):
        class Wide(Pictures):
            def uniform(self, index):
                return super().uniform(index)[:, :6]

        return Wide(split)


class FromZeroToOne(Described):
    """Stops at ToTensor's [0, 1]."""

    def load(self, split, resources):
        class Unstretched(Pictures):
            def __getitem__(self, index):
                return Example(self.uniform(index))

        return Unstretched(split)


class BatchesReadAnotherWay(Described):
    """Has a fast way to read a batch, which forgets to stretch to [-1, 1]."""

    def load(self, split, resources):
        class Fast(Pictures):
            def images(self, indices):
                return torch.stack([self.uniform(i) - 0.5 for i in indices])

        return Fast(split)


class RandomCrops(Described):
    """Augments while it loads."""

    def load(self, split, resources):
        class Random(Pictures):
            def uniform(self, index):
                return torch.rand(3, 8, 8)

        return Random(split)


class SameImagesInBothSplits(Described):
    """Forgets the split."""

    def load(self, split, resources):
        return Pictures("train")


class Streaming(Pictures):
    """Holds a generator, as what reads a stream does."""

    def __init__(self, split):
        super().__init__(split)
        self.stream = (each for each in ())


class StaysInItsProcess(Described):
    """Keeps what does not travel to data workers."""

    def load(self, split, resources):
        return Streaming(split)


class CanBeChanged(Described):
    """Is not frozen."""

    model_config = ConfigDict(frozen=False)


CAUGHT_BY: dict[type[Dataset], str] = {
    LabelsNobodyDescribed: "description",
    WidthBeforeHeight: "description",
    FromZeroToOne: "value_range",
    BatchesReadAnotherWay: "value_range",
    RandomCrops: "determinism",
    SameImagesInBothSplits: "determinism",
    StaysInItsProcess: "pickles",
    CanBeChanged: "recipe_round_trip",
}
