"""Giving a scheduler the noise it should use."""

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

_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def drawing_from(noise: NoiseSource, scheduler: Any) -> Iterator[None]:
    """While open, what `scheduler.step` draws comes from `noise`.

    Each module of diffusers imports `randn_tensor` by name, and only some schedulers take noise as an argument; so the module's own name is
    exchanged, and put back whatever happens. The lock keeps two threads from seeing one another's source.
    """
    module = sys.modules[type(scheduler).__module__]
    if not hasattr(module, "randn_tensor"):
        yield
        return

    def randn_tensor(shape: Any, generator: Any = None, device: Any = None, dtype: Any = None, layout: Any = None) -> Tensor:
        import torch

        return noise.normal(torch.empty(tuple(shape), device=device, dtype=dtype or torch.float32))

    with _ONE_AT_A_TIME:
        theirs = module.randn_tensor
        module.randn_tensor = randn_tensor  # type: ignore[attr-defined]
        try:
            yield
        finally:
            module.randn_tensor = theirs  # type: ignore[attr-defined]


class Brownian:
    """What replaces their Brownian tree: increments of one path W over [sigma_s, sigma_t], per square root of their length.

    They are asked for from the top down, always from the same start: to the middle, then to the end. The second contains the first.
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
