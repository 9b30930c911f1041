"""Evaluation: samples of the averaged weights, distances to the data with their cards, pictures."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from workbench.engine import pictures
from workbench.engine.assembly import Parts
from workbench.engine.distances import Distances
from workbench.engine.progress import Progress, Stop
from workbench.engine.reference import Reference
from workbench.engine.sampling import Drawer, labels_like

__all__ = ["evaluate"]

STRIP_IMAGES = 6
ANIMATED = 16


def evaluate(parts: Parts, network: nn.Module, step: int, stop: Stop, *, final: bool = False) -> Iterator[Progress]:
    """Sample, measure and picture `network`; the last evaluation of a run also shows how its images come about.

    The images of all evaluations of a run start from the same noise, so that a grid can be watched becoming better.
    """
    drawer = Drawer.of(parts, network)
    started = time.perf_counter()
    batches: list[Tensor] = []
    yield from _sampling(parts, drawer, step, stop, batches)
    if stop.requested:
        return
    seconds = time.perf_counter() - started
    samples = torch.cat(batches)
    shown = samples[: parts.recipe.evaluate.grid]
    columns = max(1, round(len(shown) ** 0.5))
    yield Progress("evaluating", step, pictures={"samples": pictures.grid(shown, columns)}, what="pictures")

    recipe = parts.recipe
    reference = Reference(parts.train, recipe.evaluate.real, parts.cache, parts.device)
    for slot in recipe.evaluate.features:
        yield Progress("evaluating", step, what=f"{slot.use} features")
        distances = Distances(slot.component, reference)
        metrics, cards = distances(samples, recipe.evaluation_sampler, drawer.evaluations, recipe.seed)
        yield Progress("evaluating", step, metrics=metrics, cards=cards, what=f"{slot.use} features")
        if stop.requested:
            return
    speed = {
        "eval/sampling_seconds": seconds,
        "eval/samples_per_second": len(samples) / seconds,
        "eval/nfe": float(drawer.evaluations),
    }
    yield Progress("evaluating", step, metrics=speed, what="pictures")
    if final:
        yield _closing_pictures(parts, drawer, samples, step)


def _sampling(parts: Parts, drawer: Drawer, step: int, stop: Stop, into: list[Tensor]) -> Iterator[Progress]:
    settings, slot = parts.recipe.evaluate, parts.recipe.evaluation_sampler
    started = time.perf_counter()
    for start in range(0, settings.samples, settings.batch_size):
        index = range(start, min(start + settings.batch_size, settings.samples))
        into.append(pictures.to_uint8(drawer.images(slot, index, parts.recipe.seed, _labels(parts, index))))
        pace = index.stop / (time.perf_counter() - started)
        left = (settings.samples - index.stop) / pace
        yield Progress("evaluating", step, index.stop, settings.samples, "sampling", images_per_second=pace, seconds_left=left)
        if stop.requested:
            return


def _closing_pictures(parts: Parts, drawer: Drawer, samples: Tensor, step: int) -> Progress:
    # The recipe's own sampler: how the images come about is what it is about.
    index = range(ANIMATED)
    states = [(t, x.cpu()) for t, x in drawer.states(parts.recipe.sampler, index, parts.recipe.seed, _labels(parts, index))]
    shown = {
        "denoising": pictures.strip(states, STRIP_IMAGES),
        "noising": pictures.noising(parts),
        "sampler": pictures.grid(pictures.to_uint8(states[-1][1]), 4),
    }
    if parts.recipe.evaluate.neighbours:
        shown["neighbours"] = pictures.neighbours(samples[: parts.recipe.evaluate.neighbours], parts)
    return Progress("evaluating", step, pictures=shown, files={"denoising.gif": pictures.animation(states, 4)}, what="pictures")


def _labels(parts: Parts, index: range) -> Tensor | None:
    return labels_like(parts.train, parts.recipe.seed, index) if parts.recipe.train.condition else None
