"""Draw images with the newest checkpoint of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.compute import DRAWING, explain_out_of_memory
from workbench.evaluation import to_uint8
from workbench.interfaces import SampleSpec
from workbench.recipe import Recipe, SamplerSlot
from workbench.runs.folder import RunFolder
from workbench.runs.weights import load_generator
from workbench.sampling import choose_labels


@dataclass(frozen=True)
class DrawnImages:
    """uint8 images [n, c, h, w] on the host, the step of the checkpoint, and network evaluations per image."""

    images: Tensor
    step: int
    nfe: int


def draw_images(
    run: RunFolder,
    recipe: Recipe,
    spec: SampleSpec,
    slot: SamplerSlot,
    number: int,
    *,
    seed: int,
    label: str | None,
    batch_size: int,
    device: torch.device,
    progress: Callable[[int], None] = lambda done: None,
) -> DrawnImages:
    """Draw `number` images with the averaged weights of the newest checkpoint.

    `label` is a class name, or None for all classes in turn. Image i depends on the seed, not on `batch_size`. `progress`
    receives the number of images drawn so far. Raises CheckpointError without a checkpoint, CombinationError for an unknown label,
    SamplingError if an image is not finite, OutOfMemory if a batch does not fit.
    """
    generator, step = load_generator(run, recipe, spec, device)
    labels = choose_labels(spec.classes, label, number, conditional=recipe.train.condition)
    batches, nfe = [], 0
    for start in range(0, number, batch_size):
        index = range(start, min(start + batch_size, number))
        batch_labels = None if labels is None else labels[index.start : index.stop]
        with explain_out_of_memory(DRAWING, min(batch_size, number)):
            drawn = generator.draw(slot, index, seed, batch_labels)
            batches.append(to_uint8(drawn.images))
        nfe = drawn.nfe
        progress(index.stop)
    return DrawnImages(torch.cat(batches), step, nfe)
