"""Feature extractors for Fréchet and kernel distances."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from workbench.interfaces.component import Component

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["ExtractorCard", "FeatureExtractor"]


@dataclass(frozen=True)
class ExtractorCard:
    """What a number computed on these features must be told with."""

    extractor: str
    weights_sha256: str
    resize: str
    dims: int


class FeatureExtractor(Component, ABC):
    """Maps images to feature vectors. Only Inception pool3 (2048-d) may be called `fid` and `kid`; others carry their name."""

    @abstractmethod
    def metric(self, family: Literal["fd", "kid"]) -> str:
        """What the Fréchet ("fd") or kernel distance on these features is called, e.g. `fd_efficientnet_lite0`."""

    @abstractmethod
    def card(self) -> ExtractorCard:
        """Name, hash of the weights, resize rule and dimension. Raises WeightsError where the weights are missing or wrong."""

    @abstractmethod
    def build(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        """A function from uint8 images [b, 3, h, w] to float32 features [b, dims], independent of the batch they come in.

        Raises WeightsError where the weights are missing, incomplete or not the expected bytes.
        """
