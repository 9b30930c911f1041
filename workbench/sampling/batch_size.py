"""Choose how many images are drawn at once where the recipe does not set it."""

from __future__ import annotations

from functools import partial

import torch

from workbench.compute import Choices, Compute, fastest_milliseconds
from workbench.diffusion import Network
from workbench.interfaces import SampleSpec

SIZES = (8, 16, 32, 64)
ON_GPU = 256
SLACK = 1.03  # the smallest batch within this factor of the fastest: progress and stops then come more often
REPEATS = 2
_IN_MEMORY = Choices()


def fastest_batch_size(network: Network, name: str, spec: SampleSpec, compute: Compute, total: int) -> int:
    """The batch size with the least time per image on this CPU, measured once per network (`name`) and stored; 256 on a GPU.

    Activations of small batches stay in the CPU's caches; batches that are too small leave it idle. Images do not depend on the batch size.
    """
    if compute.device.type != "cpu":
        return ON_GPU
    if total <= SIZES[0]:
        return SIZES[-1]
    choices = compute.choices or _IN_MEMORY
    key = f"drawing {list(spec.shape)} with {name}, {compute.describe()}"
    times = choices.times(key, {str(size): partial(_milliseconds, network, spec, size) for size in SIZES})
    return next(size for size in SIZES if times[str(size)] <= SLACK * min(times.values()))


@torch.no_grad()
def _milliseconds(network: Network, spec: SampleSpec, size: int) -> float:
    """Milliseconds per image of one network evaluation."""
    x, level = torch.zeros(size, *spec.shape), torch.zeros(size)
    return fastest_milliseconds(lambda: network(x, level, None), 1 + REPEATS) / size
