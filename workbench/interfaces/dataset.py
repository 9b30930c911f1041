"""Datasets: examples in [-1, 1], with labels or captions where they have them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from workbench.interfaces.component import Component
from workbench.interfaces.resources import Resources

if TYPE_CHECKING:
    from torch import Tensor

Split = Literal["train", "test"]


@dataclass(frozen=True)
class SampleSpec:
    """The shape of one sample and what is known about it."""

    channels: int
    height: int
    width: int
    classes: tuple[str, ...] = ()
    captions: bool = False
    why_no_classes: str = field(default="", compare=False)  # completes "no classes: ", where a user may expect some

    @property
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w)."""
        return self.channels, self.height, self.width


@dataclass(frozen=True)
class Provenance:
    """Where the examples come from, for logs, tags and cards."""

    source: str  # a few words: "drawn cars", "photographs"
    location: str  # a folder, or "built in"
    fingerprint: str  # hash of content and settings: equal fingerprints mean equal examples
    notes: tuple[str, ...] = ()  # what a reader should know, e.g. which images were skipped


@dataclass(frozen=True)
class Example:
    """One image in [-1, 1] [c, h, w], float32, with its label and caption where there are any."""

    image: Tensor
    label: int | None = None
    caption: str | None = None


class Examples(ABC):
    """A loaded split: map-style, safe to index from several workers."""

    @property
    @abstractmethod
    def provenance(self) -> Provenance:
        """Where these examples come from."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Example: ...

    def images(self, indices: Sequence[int]) -> Tensor:
        """Images [b, c, h, w] in [-1, 1], float32."""
        import torch

        return torch.stack([self[int(i)].image for i in indices])

    def labels(self, indices: Sequence[int]) -> Tensor | None:
        """Labels int64 [b], or None where there are none."""
        import torch

        labels = [self[int(i)].label for i in indices]
        return None if any(label is None for label in labels) else torch.tensor(labels)


class Dataset(Component, ABC):
    """Names a set of examples. It knows nothing of schedules, networks or samplers."""

    @abstractmethod
    def describe(self) -> SampleSpec:
        """Shape and classes; cheap. Raises DataError where a needed folder is missing."""

    def count_examples(self, split: Split) -> int | None:
        """The number of examples that `load` returns at most, or None if only loading shows it; cheap, for `wb validate`.

        Raises DataError as `load` does.
        """
        return None

    @abstractmethod
    def load(self, split: Split, resources: Resources) -> Examples:
        """The examples of a split; raises DataError naming the file or folder that is missing, empty or damaged.

        What is slow to decode or download is stored with `resources.array` and `resources.fetch`.
        """
