"""Distances between generated and real images, with their metric cards."""

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

LEAST = 2  # images needed for a covariance, and for a pair


class Distances:
    """Fréchet and kernel distance to one reference under one extractor; its network and real features are kept between calls.

    Raises DistanceError if the distances cannot be computed, WeightsError if the extractor's weights are missing or wrong, and Stopped
    after a batch of images.
    """

    def __init__(self, extractor: FeatureExtractor, reference: Reference, stop: Stop = NEVER) -> None:
        self._extractor, self._reference = extractor.on(reference.device), reference
        self._names = extractor.metric("fd"), extractor.metric("kid")
        self._failure: DistanceError | None = (
            None  # of the extractor, raised later: the images that are being drawn are needed in any case
        )
        if len(reference) < LEAST:
            raise self._error(f"they need at least {LEAST} real images, and there is {len(reference)}")
        try:
            self._function = self._extractor.build(reference.device)
            self._real = reference.features(self._extractor, self._function, stop)
        except Stopped:
            raise
        except Exception as error:  # third-party code may raise anything
            raise self._error_of(error) from error

    def features(self, images: Tensor, stop: Stop = NEVER) -> Tensor:
        """Features [n, d], float32 on the CPU, of uint8 images [n, c, h, w]; nan if the extractor fails."""
        try:
            return extract(self._function, images, self._reference.device, stop)
        except Stopped:
            raise
        except Exception as error:  # third-party code may raise anything
            failed = self._error_of(error)
            if not isinstance(failed, DistanceError):
                raise
            self._failure = failed
            return self._real.new_full((len(images), *self._real.shape[1:]), math.nan)

    def __call__(
        self, fake: Tensor, slot: SamplerSlot, nfe: int, seed: int
    ) -> tuple[dict[str, float], dict[str, Mapping[str, Any]]]:
        """Compute metrics and their cards, both by name, from the features [n, d] of images that `slot` drew in `nfe` evaluations each."""
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
            nfe=nfe,
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
        """The error to raise for an exception of the extractor: the same one if it is meant for the user or memory ran out."""
        if isinstance(error, WorkbenchError) or is_out_of_memory(error):
            return error
        return self._error(f"the extractor raised {type(error).__name__}: {error}{place_of(error)}")

    def _error(self, reason: str) -> DistanceError:
        return DistanceError(f"{' and '.join(self._names)} cannot be computed: {reason}")


def prepare_references(recipe: Recipe, examples: Examples, cache: Path, device: torch.device, stop: Stop = NEVER) -> None:
    """Compute the features of the real images now unless they are cached, so that evaluations need not."""
    reference = Reference.of(examples, recipe.evaluate.real, cache, device)
    for slot in recipe.evaluate.features:
        if not reference.has_features(slot.component.on(device)):
            with suppress(DistanceError):  # an evaluation reports it
                Distances(slot.component, reference, stop)
