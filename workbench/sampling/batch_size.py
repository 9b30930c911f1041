"""How many images are drawn at once where the recipe does not say."""

from __future__ import annotations

import math
import time
from functools import partial

import torch

from workbench.compute import Choices, Compute
from workbench.diffusion import Network
from workbench.interfaces import SampleSpec

SIZES = (8, 16, 32, 64)
ON_GPU = 256
SLACK = 1.03  # the smallest batch that is this close to the fastest: progress is told more often, and a stop is heard sooner
REPEATS = 2
_UNKEPT = Choices()


def fastest_batch_size(network: Network, name: str, spec: SampleSpec, compute: Compute, total: int) -> int:
    """The batch at which a processor needs least time per image, measured once per network (`name`) and kept; 256 on a GPU.

    What is computed for a few images stays in a processor's caches, and too few leave it idle. Images do not depend on it.
    """
    if compute.device.type != "cpu":
        return ON_GPU
    if total <= SIZES[0]:
        return SIZES[-1]
    choices = compute.choices or _UNKEPT
    key = f"drawing {list(spec.shape)} with {name}, {compute.describe()}"
    times = choices.times(key, {str(size): partial(_milliseconds, network, spec, size) for size in SIZES})
    return next(size for size in SIZES if times[str(size)] <= SLACK * min(times.values()))


@torch.no_grad()
def _milliseconds(network: Network, spec: SampleSpec, size: int) -> float:
    """Per image, of one evaluation of the network."""
    x, level = torch.zeros(size, *spec.shape), torch.zeros(size)
    fastest = math.inf
    for _ in range(1 + REPEATS):
        started = time.perf_counter()
        network(x, level, None)
        fastest = min(fastest, time.perf_counter() - started)
    return 1e3 * fastest / size
