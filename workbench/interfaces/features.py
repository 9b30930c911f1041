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
    """What a number computed on these features must be told with."""

    extractor: str
    weights_sha256: str
    resize: str
    dims: int
    precision: str = "fp32"  # what its network computes in: "fp32", "bf16", or "auto" before `on` has settled it


class FeatureExtractor(Component, ABC):
    """Maps images to feature vectors. Only Inception pool3 (2048-d) may be called `fid` and `kid`; others carry their name."""

    @abstractmethod
    def metric(self, family: Literal["fd", "kid"]) -> str:
        """What the Fréchet ("fd") or kernel distance on these features is called, e.g. `fd_efficientnet_lite0`."""

    def on(self, device: torch.device) -> FeatureExtractor:
        """This extractor with everything settled that depends on the device, e.g. its precision; itself where nothing does.

        The engine calls it first, and `card` and `build` of what it returns.
        """
        return self

    @abstractmethod
    def card(self) -> ExtractorCard:
        """Name, hash of the weights, resize rule and dimension. Raises WeightsError where the weights are missing or wrong."""

    @abstractmethod
    def build(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        """A function from uint8 images [b, 3, h, w] to float32 features [b, dims], independent of the batch they come in.

        Raises WeightsError where the weights are missing, incomplete or not the expected bytes.
        """


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights an extractor can use."""

    path: Path
    sha256: str
    note: str  # what it is good for


@runtime_checkable
class HasWeights(Protocol):
    """What an extractor class offers if its weights do not come with its package; `wb weights` talks to it."""

    @classmethod
    def weights_files(cls) -> list[WeightsFile]:
        """The files that are in place."""
        ...

    @classmethod
    def add_weights(cls, path: Path) -> WeightsFile:
        """Check a file and keep a copy; WeightsError where it does not fit."""
        ...

    @classmethod
    def fetch_weights(cls, progress: Callable[[int, int], None], url: str | None = None) -> WeightsFile:
        """Download, check and keep the official file; `progress` gets bytes done and in total. WeightsError on any failure."""
        ...
