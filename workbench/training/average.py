"""The exponential moving average (EMA) of the weights, with which samples are drawn."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class WeightAverage:
    """`network` is a copy whose parameters are the average of the trained ones; buffers are copied.

    The decay grows as (1 + step) / (10 + step) up to its limit, so that the average of a short run does not contain its random start.
    """

    def __init__(self, source: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(source).eval().requires_grad_(False)
        self.decay = decay
        self._averages: list[Tensor] = list(self.network.parameters())
        self._weights = [parameter.detach() for parameter in source.parameters()]
        self._buffers = list(zip(self.network.buffers(), source.buffers(), strict=True))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Add the weights after `step` optimizer steps, step >= 1."""
        torch._foreach_lerp_(self._averages, self._weights, weight=1.0 - min(self.decay, (1.0 + step) / (10.0 + step)))
        for copied, source in self._buffers:
            copied.copy_(source)
