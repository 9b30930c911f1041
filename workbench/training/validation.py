"""The validation loss: held-out images at fixed times and noise, reported per bucket of time."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

from workbench.diffusion import Objective
from workbench.model import Parts
from workbench.progress import NEVER, Stop
from workbench.random import Stream

BUCKETS = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0))
IMAGES = 128
PER_BATCH = 64


@torch.no_grad()
def validation_losses(parts: Parts, network: nn.Module, stop: Stop = NEVER) -> dict[str, float]:
    """The unweighted loss of F over all times and per bucket of t.

    The same images, times and noise at every call, so that two values differ by the weights alone. Raises Stopped between buckets.
    """
    # Unweighted and at uniform times, so that the number is comparable between objectives.
    objective = Objective(parts.objective.schedule, parts.objective.parameterization)
    count = min(IMAGES, len(parts.test))
    index = torch.arange(count)
    labels = parts.test.labels(list(range(count))) if parts.recipe.train.condition else None
    size = min(PER_BATCH, parts.recipe.train.rows_at_once)  # training fits into memory with so many
    losses = {}
    for k, (low, high) in enumerate(BUCKETS):
        stop.check()
        t = high - (high - low) * _unit(parts.recipe.seed, k, count)
        batches = [
            _losses(parts, network, objective, index[start : start + size], t[start : start + size], k, labels)
            for start in range(0, count, size)
        ]
        losses[f"val/loss_t{low:g}-{high:g}"] = float(torch.cat(batches).double().mean())
    return {"val/loss": sum(losses.values()) / len(losses), **losses}


def bucket_of(t: float) -> tuple[float, float]:
    """The bucket (low, high] that a time in (0, 1] belongs to."""
    return next((low, high) for low, high in BUCKETS if t <= high)


def _losses(
    parts: Parts, network: nn.Module, objective: Objective, index: Tensor, t: Tensor, bucket: int, labels: Tensor | None
) -> Tensor:
    x0 = parts.test.images(index.tolist()).to(parts.device)
    eps = Stream(parts.recipe.seed, "validation noise").normal(bucket, index, parts.spec.shape, device=parts.device)
    cond = None if labels is None else labels[index].to(parts.device)
    return objective.loss(parts.compute.wrap(network), x0, eps, t, cond).float().cpu()


@lru_cache(maxsize=16)
def _unit(seed: int, bucket: int, count: int) -> Tensor:
    # Stratified: one time in each of `count` equal parts of the bucket.
    jitter = Stream(seed, "validation time").uniform(bucket, torch.arange(count))[:, 0]
    return (torch.arange(count, dtype=torch.float64) + jitter) / count
