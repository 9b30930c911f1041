"""Draw images batch by batch and keep their features: a batch of images is released as soon as it is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.compute import DRAWING, explain_out_of_memory
from workbench.evaluation.distances import Distances
from workbench.evaluation.pictures import to_uint8
from workbench.progress import NEVER, Stop
from workbench.recipe import SamplerSlot
from workbench.sampling import SIZES, Generator


@dataclass(frozen=True)
class SampleBatch:
    """A batch of generated images and what was measured of it."""

    images: Tensor  # uint8 [b, c, h, w]
    features: Sequence[Tensor]  # [b, d] per extractor
    nfe: int  # network evaluations per image
    seconds: float  # of sampling alone


class SampleSet:
    """The first `keep` of `total` generated images, and the features of all."""

    def __init__(self, total: int, keep: int) -> None:
        self.total, self.count, self.nfe, self.seconds = total, 0, 0, 0.0
        self.features: list[Tensor] = []  # [total, d] per extractor; the first `count` rows are filled
        self._keep, self._kept = keep, list[Tensor]()

    @property
    def images(self) -> Tensor:
        """The first images, uint8 [k, c, h, w]."""
        return torch.cat(self._kept)

    def add(self, batch: SampleBatch) -> None:
        """Add the next batch."""
        if not self.features:
            self.features = [part.new_empty(self.total, *part.shape[1:]) for part in batch.features]
        for whole, part in zip(self.features, batch.features, strict=True):
            whole[self.count : self.count + len(part)] = part
        if (missing := self._keep - self.count) > 0:
            self._kept.append(batch.images[:missing].clone())
        self.count += len(batch.images)
        self.seconds += batch.seconds
        self.nfe = batch.nfe


def draw_samples(
    generator: Generator,
    slot: SamplerSlot,
    total: int,
    batch_size: int | None,
    seed: int,
    labels: Callable[[range], Tensor | None],
    distances: Sequence[Distances],
    stop: Stop = NEVER,
) -> Iterator[SampleBatch]:
    """Draw `total` images and yield them batch by batch.

    Arguments:
        slot: sampler, time grid and guidance.
        batch_size: images drawn at once; None lets the generator choose.
        labels: int64 [b] of the images with the given global indices, or None.
        distances: their extractors measure each batch.

    Raises OutOfMemory where memory does not hold a batch, Stopped in the middle of one.
    """
    with explain_out_of_memory(DRAWING, batch_size or SIZES[-1]):  # the largest that the generator may try
        size = batch_size or generator.batch_size(total)
    for start in range(0, total, size):
        index = range(start, min(start + size, total))
        with explain_out_of_memory(DRAWING, min(size, total)):
            started = generator.compute.clock()
            drawn = generator.draw(slot, index, seed, labels(index), stop)
            images = to_uint8(drawn.images)
            seconds = generator.compute.clock() - started
            features = [measure.features(images, stop) for measure in distances]
        yield SampleBatch(images, features, drawn.nfe, seconds)
