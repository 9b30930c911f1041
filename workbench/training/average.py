"""The exponential moving average of the weights, which is what samples are drawn with."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class WeightAverage:
    """Keeps `network`, a copy whose parameters follow those of the trained one; buffers are copied.

    The decay grows as (1 + step) / (10 + step) up to its limit, so that a short run is not an average with its random start.
    """

    def __init__(self, source: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(source).eval().requires_grad_(False)
        self.decay = decay
        self._mine: list[Tensor] = list(self.network.parameters())
        self._theirs = [each.detach() for each in source.parameters()]
        self._buffers = list(zip(self.network.buffers(), source.buffers(), strict=True))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after `step` optimizer steps, step >= 1."""
        torch._foreach_lerp_(self._mine, self._theirs, weight=1.0 - min(self.decay, (1.0 + step) / (10.0 + step)))
        for mine, theirs in self._buffers:
            mine.copy_(theirs)
