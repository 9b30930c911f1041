"""Distances between generated and real images, with the cards they are told with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.compute import is_out_of_memory
from workbench.errors import DistanceError, WorkbenchError
from workbench.evaluation.reference import Reference, extract
from workbench.interfaces import Examples, FeatureExtractor
from workbench.metrics import MetricCard, frechet_distance, kernel_distance
from workbench.progress import NEVER, Stop, Stopped
from workbench.recipe import Recipe, SamplerSlot
from workbench.registry import place_of

LEAST = 2  # images for a covariance, and for a pair


class Distances:
    """Fréchet and kernel distance to one reference under one extractor, whose network and real features are kept for the next call.

    Raises DistanceError where the distances cannot be computed, WeightsError where the extractor's weights are missing or wrong,
    Stopped after a batch of images.
    """

    def __init__(self, extractor: FeatureExtractor, reference: Reference, stop: Stop = NEVER) -> None:
        self._extractor, self._reference = extractor.on(reference.device), reference
        self._names = extractor.metric("fd"), extractor.metric("kid")
        self._failure: DistanceError | None = None  # of an extractor: the images that are being drawn are needed all the same
        if len(reference) < LEAST:
            raise self._error(f"they need at least {LEAST} real images, and there is {len(reference)}")
        try:
            self._function = self._extractor.build(reference.device)
            self._real = reference.features(self._extractor, self._function, stop)
        except Stopped:
            raise
        except Exception as error:  # a third party's code may raise anything
            raise self._error_of(error) from error

    def features(self, images: Tensor, stop: Stop = NEVER) -> Tensor:
        """Features [n, d], float32 on the host, of uint8 images [n, c, h, w]; nan where the extractor fails."""
        try:
            return extract(self._function, images, self._reference.device, stop)
        except Stopped:
            raise
        except Exception as error:  # a third party's code may raise anything
            failed = self._error_of(error)
            if not isinstance(failed, DistanceError):
                raise
            self._failure = failed
            return self._real.new_full((len(images), *self._real.shape[1:]), math.nan)

    def __call__(
        self, fake: Tensor, slot: SamplerSlot, evaluations: int, seed: int
    ) -> tuple[dict[str, float], dict[str, Mapping[str, Any]]]:
        """Metrics by name, and the card of each, of the features [n, d] of images drawn by `slot` in `evaluations` per image."""
        metrics = self._metrics(fake)
        card = MetricCard(
            extractor=self._extractor.card(),
            n_real=len(self._real),
            n_generated=len(fake),
            dataset=self._reference.fingerprint,
            split="train",
            weights="ema",
            sampler=slot.use,
            steps=slot.steps,
            nfe=evaluations,
            guidance=slot.guidance,
            clamp=slot.clamp,
            seed=seed,
        ).to_dict()
        return metrics, dict.fromkeys(metrics, card)

    def _metrics(self, fake: Tensor) -> dict[str, float]:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        if not (torch.isfinite(self._real).all() and torch.isfinite(fake).all()):
            raise self._error("the features hold nan or infinity")
        fd, kid = self._names
        try:
            value, std_error = kernel_distance(self._real, fake)
            metrics = {fd: frechet_distance(self._real, fake), kid: value, f"{kid}_std_error": std_error}
        except (ValueError, RuntimeError) as error:  # RuntimeError: a decomposition that does not converge
            if is_out_of_memory(error):
                raise
            raise self._error(str(error)) from error
        if not all(map(math.isfinite, metrics.values())):
            raise self._error("they are not finite")
        return metrics

    def _error_of(self, error: Exception) -> Exception:
        """The error to raise for one of the extractor: its own where it is meant for the user or memory ran out."""
        if isinstance(error, WorkbenchError) or is_out_of_memory(error):
            return error
        return self._error(f"the extractor raised {type(error).__name__}: {error}{place_of(error)}")

    def _error(self, reason: str) -> DistanceError:
        return DistanceError(f"{' and '.join(self._names)} cannot be computed: {reason}")


def prepare_references(recipe: Recipe, examples: Examples, cache: Path, device: torch.device, stop: Stop = NEVER) -> None:
    """Compute the real images' features now, where they are not kept yet, so that evaluations find them."""
    reference = Reference.of(examples, recipe.evaluate.real, cache, device)
    for slot in recipe.evaluate.features:
        if not reference.kept(slot.component.on(device)):
            with suppress(DistanceError):  # an evaluation reports it
                Distances(slot.component, reference, stop)
