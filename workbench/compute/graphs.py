"""CUDA graphs: what a GPU is told to do is recorded once and launched as a whole afterwards.

A small network keeps a GPU busy for less time than the host needs to launch its kernels one by one; a recording costs one launch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from workbench.compute.memory import is_out_of_memory
from workbench.errors import TrainingError

WARM_UP = 3  # calls in which libraries choose their algorithms; a recording must not contain that
Arguments = Sequence[Tensor | None]


class RecordedGraph:
    """A function of tensors, recorded when this is made and replayed at every call with arguments of the same shapes.

    The tensors it gives are overwritten by the next call. Raises TrainingError where the function waits for the GPU or does anything
    else that cannot be recorded.
    """

    def __init__(self, function: Callable[..., Any], like: Arguments) -> None:
        self._held = [None if each is None else each.clone() for each in like]
        self._graph = torch.cuda.CUDAGraph()
        try:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(WARM_UP):
                    function(*self._held)
            torch.cuda.current_stream().wait_stream(side)
            # Other threads prepare batches meanwhile; what they do is none of the recording's business.
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._out = function(*self._held)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            raise TrainingError(
                f"the network cannot be recorded as a CUDA graph ({str(error).splitlines()[0]}). "
                f"--set train.fast_path=off computes without; a denoiser that is not replayable should not say that it is."
            ) from error

    def __call__(self, *arguments: Tensor | None) -> Any:
        """What the function gives for the arguments."""
        for held, given in zip(self._held, arguments, strict=True):
            if held is not None and given is not None:
                held.copy_(given, non_blocking=True)
        self._graph.replay()
        return self._out


class ReplayedNetwork:
    """A network that is not trained: from the second call with the same shapes on it is replayed, each shape by its own recording."""

    def __init__(self, network: Callable[..., Tensor]) -> None:
        self._network = network
        self._recorded: dict[Any, RecordedGraph | None] = {}

    def __call__(self, x: Tensor, level: Tensor, cond: Tensor | None = None) -> Tensor:
        """F(x [b, c, h, w], level [b], cond [b] or None)."""
        if torch.is_grad_enabled():
            return self._network(x, level, cond)
        key = (x.shape, x.dtype, cond is None)
        if key not in self._recorded:  # a shape that comes once is not worth a recording
            self._recorded[key] = None
            return self._network(x, level, cond)
        recorded = self._recorded[key]
        if recorded is None:
            recorded = self._recorded[key] = RecordedGraph(self._network, (x, level, cond))
        out: Tensor = recorded(x, level, cond)
        return out.clone()
