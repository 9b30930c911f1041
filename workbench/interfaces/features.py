"""Feature extractors for Fréchet and kernel distances."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from workbench.interfaces.component import Component

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class ExtractorCard:
    """The provenance that is reported with every number computed on these features."""

    extractor: str
    weights_sha256: str
    resize: str
    dims: int
    precision: str = "fp32"  # of its network: "fp32", "bf16", or "auto" until `on` decides


class FeatureExtractor(Component, ABC):
    """Maps images to feature vectors. Only Inception pool3 (2048-d) may be called `fid` and `kid`; others have the extractor in their name."""

    @abstractmethod
    def metric(self, family: Literal["fd", "kid"]) -> str:
        """The name of the Fréchet ("fd") or kernel ("kid") distance on these features, e.g. `fd_efficientnet_lite0`."""

    def on(self, device: torch.device) -> FeatureExtractor:
        """Return this extractor with every choice made that depends on the device, e.g. its precision; itself if there is none.

        The core calls it first, then `card` and `build` of the result.
        """
        return self

    @abstractmethod
    def card(self) -> ExtractorCard:
        """Return name, hash of the weights, resize rule and dimension. Raises WeightsError if the weights are missing or wrong."""

    @abstractmethod
    def build(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        """Return a function from uint8 images [b, 3, h, w] to float32 features [b, dims]; an image's features do not depend on its batch.

        Raises WeightsError if the weights are missing, incomplete or not the expected bytes.
        """


@dataclass(frozen=True)
class WeightsFile:
    """A weights file that an extractor can use."""

    path: Path
    sha256: str
    note: str  # which settings it serves


@runtime_checkable
class HasWeights(Protocol):
    """The interface of an extractor class whose weights do not come with its package; `wb weights` calls it."""

    @classmethod
    def weights_files(cls) -> list[WeightsFile]:
        """List the files that are installed."""
        ...

    @classmethod
    def add_weights(cls, path: Path) -> WeightsFile:
        """Check a file and store a copy. Raises WeightsError if it does not fit."""
        ...

    @classmethod
    def fetch_weights(cls, progress: Callable[[int, int], None], url: str | None = None) -> WeightsFile:
        """Download, check and store the official file; `progress` gets bytes done and in total. Raises WeightsError on any failure."""
        ...
