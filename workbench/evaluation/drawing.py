"""Images drawn batch by batch: each batch is turned into features at once and then let go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from workbench.compute import DRAWING, explain_out_of_memory
from workbench.evaluation.distances import Distances
from workbench.evaluation.pictures import to_uint8
from workbench.progress import NEVER, Stop
from workbench.recipe import SamplerSlot
from workbench.sampling import SIZES, Generator


@dataclass
class SampleSet:
    """What is kept of the images drawn so far: the first few, and the features of all."""

    total: int
    count: int = 0
    seconds: float = 0.0  # of sampling alone
    features: list[Tensor] = field(default_factory=list)  # [total, d] per extractor; the first `count` rows are filled
    _shown: list[Tensor] = field(default_factory=list)

    @property
    def shown(self) -> Tensor:
        """The first images, uint8 [k, c, h, w]."""
        return torch.cat(self._shown)

    def add(self, images: Tensor, features: Sequence[Tensor], keep: int) -> None:
        """Take in a batch of images [b, c, h, w] with its features [b, d] per extractor; of all images the first `keep` are kept."""
        if not self.features:
            self.features = [each.new_empty(self.total, *each.shape[1:]) for each in features]
        for whole, part in zip(self.features, features, strict=True):
            whole[self.count : self.count + len(images)] = part
        if (missing := keep - self.count) > 0:
            self._shown.append(images[:missing].clone())
        self.count += len(images)


def draw_samples(
    drawer: Generator,
    slot: SamplerSlot,
    total: int,
    batch_size: int | None,
    seed: int,
    labels: Callable[[range], Tensor | None],
    distances: Sequence[Distances],
    keep: int,
    stop: Stop = NEVER,
) -> Iterator[SampleSet]:
    """Draw `total` images and yield what there is after every batch, the same object each time.

    Memory holds one batch of images, `keep` of them, and all features. `batch_size` None is the drawer's own choice. Raises OutOfMemory
    where it does not hold a batch, Stopped in the middle of one.
    """
    drawn = SampleSet(total)
    with explain_out_of_memory(DRAWING, batch_size or SIZES[-1]):  # which the drawer's choice may try
        size = batch_size or drawer.batch_size(total)
    for start in range(0, total, size):
        index = range(start, min(start + size, total))
        with explain_out_of_memory(DRAWING, min(size, total)):
            started = drawer.compute.clock()
            images = to_uint8(drawer.images(slot, index, seed, labels(index), stop))
            drawn.seconds += drawer.compute.clock() - started
            features = [each.features(images, stop) for each in distances]
        drawn.add(images, features, keep)
        yield drawn
