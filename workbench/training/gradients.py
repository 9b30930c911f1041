"""Losses of a batch and the gradients of their mean."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from workbench.compute import RecordedGraph
from workbench.diffusion import Network, Objective
from workbench.training.batches import Batch

# Losses [b] of a batch, detached; the seed is for networks that draw from torch's global generator (dropout).
Gradients = Callable[[Batch, int], Tensor]


def gradient_function(
    objective: Objective, computed: Network, network: nn.Module, rows: int, recorded: Batch | None = None
) -> Gradients:
    """Return a function that leaves the gradients of a batch's mean loss in the parameters of `network`, which `computed` evaluates.

    At most `rows` rows of a batch are in memory at once: gradients of larger batches are accumulated over parts. With a batch `recorded`, a
    CUDA graph is recorded with it and replayed for every batch.
    """

    def accumulate(x0: Tensor, eps: Tensor, coefficients: Tensor, cond: Tensor | None) -> Tensor:
        # None, not zeros: the first gradient becomes the tensor, which in a graph is always the same one.
        for parameter in network.parameters():
            parameter.grad = None
        losses = []
        for start in range(0, len(x0), rows):
            part = slice(start, start + rows)
            loss = objective.loss_at(
                computed, x0[part], eps[part], coefficients[:, part], None if cond is None else cond[part]
            )  # [rows]
            (loss.mean() * (len(loss) / len(x0))).backward()
            losses.append(loss.detach())
        return torch.cat(losses)

    if recorded is None:

        def plain(batch: Batch, seed: int) -> Tensor:
            torch.manual_seed(seed)
            return accumulate(batch.x0, batch.eps, batch.coefficients, batch.cond)

        return plain

    graph = RecordedGraph(accumulate, (recorded.x0, recorded.eps, recorded.coefficients, recorded.cond))

    def replayed(batch: Batch, seed: int) -> Tensor:
        torch.manual_seed(seed)  # a replay starts from the generator's state
        losses: Tensor = graph(batch.x0, batch.eps, batch.coefficients, batch.cond)
        return losses.clone()

    return replayed
