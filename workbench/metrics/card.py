"""Metric cards: the provenance reported with every number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from workbench.interfaces import ExtractorCard

# How it was measured. The rest of a card describes what was measured: sampler, steps, NFE, weights.
MEASURE = ("extractor", "n_real", "n_generated", "dataset", "split")


@dataclass(frozen=True)
class MetricCard:
    """How a distance was measured, and what was measured."""

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
    clamp: bool  # the predicted data were clamped to [-1, 1]; absent from cards of earlier versions
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The keys in which two cards (as dictionaries) differ, with both values."""
    return {key: (a.get(key), b.get(key)) for key in (*a, *(key for key in b if key not in a)) if a.get(key) != b.get(key)}


def rankable(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """True if two numbers were measured in the same way. FID falls with the number of images, so that must be equal."""
    return not any(key in MEASURE for key in differences(a, b))
