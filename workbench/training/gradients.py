"""Losses of a batch and the gradients of their mean."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from workbench.compute import RecordedGraph
from workbench.diffusion import Network, Objective
from workbench.training.batches import Batch

# Losses [b] of a batch, not to be differentiated; `seed` is for what draws from torch's global generator.
Gradients = Callable[[Batch, int], Tensor]


def gradient_function(objective: Objective, computed: Network, network: nn.Module, recorded: Batch | None) -> Gradients:
    """A function that leaves the gradients of a batch in the parameters of `network`, which `computed` evaluates.

    With a batch `recorded`, a CUDA graph of what is done with that one is replayed for all.
    """

    def learn(x0: Tensor, eps: Tensor, coefficients: Tensor, cond: Tensor | None) -> Tensor:
        # Not zeros to add to: the first gradient becomes the tensor, which in a graph is always the same one.
        for parameter in network.parameters():
            parameter.grad = None
        losses = objective.loss_at(computed, x0, eps, coefficients, cond)  # [b]
        losses.mean().backward()
        return losses.detach()

    if recorded is None:

        def plain(batch: Batch, seed: int) -> Tensor:
            torch.manual_seed(seed)
            return learn(batch.x0, batch.eps, batch.coefficients, batch.cond)

        return plain

    graph = RecordedGraph(learn, (recorded.x0, recorded.eps, recorded.coefficients, recorded.cond))

    def replayed(batch: Batch, seed: int) -> Tensor:
        torch.manual_seed(seed)  # a replay begins where the generator stands
        losses: Tensor = graph(batch.x0, batch.eps, batch.coefficients, batch.cond)
        return losses.clone()

    return replayed
