"""Batches as a function of the step: images, horizontal flips, noise, times and labels."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from workbench.compute import RecordedGraph, move_to_device
from workbench.diffusion import Objective
from workbench.interfaces import Examples
from workbench.random import Stream
from workbench.recipe import Recipe

_WORD = 2**32


@dataclass(frozen=True)
class Batch:
    """The input of one training step."""

    x0: Tensor  # [b, c, h, w] in [-1, 1]
    eps: Tensor  # [b, c, h, w]
    t: Tensor  # [b] float64, on the host
    coefficients: Tensor  # [5, b], of the loss at t
    cond: Tensor | None  # [b] int64, -1 where the label is hidden


class Batches:
    """Batches by step. Every value is keyed by (seed, step, global sample index), so that a run can be resumed at any step."""

    def __init__(self, recipe: Recipe, examples: Examples, objective: Objective, device: torch.device) -> None:
        self._settings, self._examples, self._objective = recipe.train, examples, objective
        self._seed = recipe.seed
        self.device = device
        self._permutation = lru_cache(maxsize=2)(lambda epoch: Stream(self._seed, "order").permutation(epoch, len(examples)))
        self._shape = examples.images([0]).shape[1:]
        self._noise = self._recorded_noise() if device.type == "cuda" else self._fresh_noise

    def at(self, step: int) -> Batch:
        """The batch of the step with index `step` (0 is the first); images of an epoch are drawn without replacement."""
        sample = torch.arange(step * self._settings.batch_size, (step + 1) * self._settings.batch_size)  # global index
        chosen = self._chosen(sample)
        index = sample % _WORD
        x0 = move_to_device(self._mirrored(self._examples.images(chosen), step, index), self.device)
        eps = self._noise(move_to_device(torch.tensor([step]), self.device), move_to_device(index, self.device))
        t = self._objective.draw_times(Stream(self._seed, "time").uniform(step, index)[:, 0])
        coefficients = move_to_device(self._objective.coefficients(t).to(x0.dtype), self.device)
        return Batch(x0, eps, t, coefficients, self._condition(chosen, step, index))

    def _fresh_noise(self, step: Tensor, index: Tensor) -> Tensor:
        return Stream(self._seed, "noise").normal(step, index, self._shape, device=self.device)

    def _recorded_noise(self) -> Callable[[Tensor, Tensor], Tensor]:
        """Noise as a CUDA graph: the host would launch its 200 small operations more slowly than the GPU runs them."""
        like = torch.zeros(1, dtype=torch.int64), torch.zeros(self._settings.batch_size, dtype=torch.int64)
        graph = RecordedGraph(self._fresh_noise, [tensor.to(self.device) for tensor in like])

        def noise(step: Tensor, index: Tensor) -> Tensor:
            drawn: Tensor = graph(step, index)
            return drawn.clone()

        return noise

    def _chosen(self, sample: Tensor) -> list[int]:
        epochs, positions = sample // len(self._examples), sample % len(self._examples)
        return [int(self._permutation(int(epoch))[int(position)]) for epoch, position in zip(epochs, positions, strict=True)]

    def _mirrored(self, images: Tensor, step: int, index: Tensor) -> Tensor:
        if not self._settings.flip:
            return images
        half = Stream(self._seed, "flip").uniform(step, index)[:, 0] < 0.5
        return torch.where(half[:, None, None, None], images.flip(-1), images)

    def _condition(self, chosen: list[int], step: int, index: Tensor) -> Tensor | None:
        labels = self._examples.labels(chosen) if self._settings.condition else None
        if labels is None:
            return None
        hidden = Stream(self._seed, "label").uniform(step, index)[:, 0] < self._settings.label_dropout
        return move_to_device(torch.where(hidden, -1, labels), self.device)


def prefetch(make: Callable[[int], Batch]) -> Callable[[int], Batch]:
    """Return a function like `make` (step -> batch) that makes the next batch in another thread, so that a GPU does not wait for the host.

    The batches are the same: they depend on the step alone.
    """
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
    pending: dict[int, Future[Batch]] = {}

    def at(step: int) -> Batch:
        batch = pending.pop(step, None) or executor.submit(make, step)
        pending.clear()
        pending[step + 1] = executor.submit(make, step + 1)
        return batch.result()

    return at
