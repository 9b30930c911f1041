"""Cards: what a number must be told with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from workbench.interfaces import ExtractorCard

# How it was measured. The rest of a card says what was measured: sampler, steps, NFE, weights.
MEASURE = ("extractor", "n_real", "n_generated", "dataset", "split")


@dataclass(frozen=True)
class MetricCard:
    """How a distance was measured, and of what."""

    extractor: ExtractorCard
    n_real: int
    n_generated: int
    dataset: str  # fingerprint of the real images
    split: str
    weights: str  # "ema" or "raw"
    sampler: str
    steps: int
    nfe: int  # network evaluations per image
    guidance: float
    clamp: bool  # whether the predicted data were kept in [-1, 1]; absent from cards of earlier versions
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Where two cards (as dictionaries) differ."""
    return {key: (a.get(key), b.get(key)) for key in (*a, *(key for key in b if key not in a)) if a.get(key) != b.get(key)}


def rankable(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two numbers were measured alike. FID falls with the number of images, so it must be equal."""
    return not any(key in MEASURE for key in differences(a, b))
