"""Datasets: examples in [-1, 1], with labels or captions if there are any."""

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
    """The shape of one sample, its classes, and if there are captions."""

    channels: int
    height: int
    width: int
    classes: tuple[str, ...] = ()
    captions: bool = False
    why_no_classes: str = field(
        default="", compare=False
    )  # completes the message "no classes: ", for data in which a user may expect some

    @property
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w)."""
        return self.channels, self.height, self.width


@dataclass(frozen=True)
class Provenance:
    """The origin of examples, for logs, tags and cards."""

    source: str  # a few words: "drawn cars", "photographs"
    location: str  # a folder, or "built in"
    fingerprint: str  # hash of content and settings: equal fingerprints mean equal examples
    notes: tuple[str, ...] = ()  # remarks for the user, e.g. which images were skipped


@dataclass(frozen=True)
class Example:
    """One image in [-1, 1] [c, h, w], float32, with its label and caption if there are any."""

    image: Tensor
    label: int | None = None
    caption: str | None = None


class Examples(ABC):
    """A loaded split: map-style, safe to index from several workers."""

    @property
    @abstractmethod
    def provenance(self) -> Provenance:
        """The origin of these examples."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Example: ...

    def images(self, indices: Sequence[int]) -> Tensor:
        """Images [b, c, h, w] in [-1, 1], float32."""
        import torch

        return torch.stack([self[int(i)].image for i in indices])

    def labels(self, indices: Sequence[int]) -> Tensor | None:
        """Labels int64 [b], or None if the examples have none."""
        import torch

        labels = [self[int(i)].label for i in indices]
        return None if any(label is None for label in labels) else torch.tensor(labels)


class Dataset(Component, ABC):
    """A set of examples, independent of schedules, networks and samplers."""

    @abstractmethod
    def describe(self) -> SampleSpec:
        """Return shape and classes without reading the data. Raises DataError if a folder is missing."""

    def count_examples(self, split: Split) -> int | None:
        """Return the largest number of examples that `load` may return, or None if only loading can show it; fast, for `wb validate`.

        Raises DataError as `load` does.
        """
        return None

    @abstractmethod
    def load(self, split: Split, resources: Resources) -> Examples:
        """Load the examples of a split. Raises DataError that names the missing, empty or damaged file or folder.

        Store what is slow to decode or download with `resources.array` and `resources.fetch`.
        """
