"""Replaces the random numbers of a scheduler by those of a noise source."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workbench.interfaces import NoiseSource

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_LOCK = threading.RLock()


@contextmanager
def noise_from(noise: NoiseSource, scheduler: Any) -> Iterator[None]:
    """Within the block, `scheduler.step` draws from `noise`.

    Each module of diffusers imports `randn_tensor` by name, and only some schedulers take noise as an argument; so the name in the module
    is replaced, and restored at the end. The lock prevents two threads from using each other's source.
    """
    module = sys.modules[type(scheduler).__module__]
    if not hasattr(module, "randn_tensor"):
        yield
        return

    def randn_tensor(shape: Any, generator: Any = None, device: Any = None, dtype: Any = None, layout: Any = None) -> Tensor:
        import torch

        return noise.normal(torch.empty(tuple(shape), device=device, dtype=dtype or torch.float32))

    with _LOCK:
        original = module.randn_tensor
        module.randn_tensor = randn_tensor  # type: ignore[attr-defined]
        try:
            yield
        finally:
            module.randn_tensor = original  # type: ignore[attr-defined]


class Brownian:
    """Replaces their Brownian tree: increments of one path W over [sigma_s, sigma_t], divided by the square root of their length.

    It is called with decreasing sigma_next and the same start: to the middle, then to the end. The second increment contains the first.
    """

    def __init__(self, noise: NoiseSource, x: Tensor) -> None:
        self._noise, self._x = noise, x
        self._length, self._walked = 0.0, x * 0.0

    def __call__(self, sigma: torch.Tensor | float, sigma_next: torch.Tensor | float) -> Tensor:
        """(W(sigma_next) - W(sigma)) / sqrt(sigma - sigma_next), shaped like x."""
        length = float(sigma) - float(sigma_next)
        self._walked = self._walked + max(length - self._length, 0.0) ** 0.5 * self._noise.normal(self._x)
        self._length = length
        return self._walked / length**0.5
