"""CUDA graphs: a sequence of GPU kernels is recorded once and then launched as a whole.

The kernels of a small network run for less time than the host needs to launch them one by one; a recording needs one launch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from workbench.compute.memory import is_out_of_memory
from workbench.errors import TrainingError

WARM_UP = 3  # calls before the recording, in which libraries choose their algorithms: a recording must not contain that
Arguments = Sequence[Tensor | None]


class RecordedGraph:
    """A function of tensors, recorded once with arguments `like` these and replayed at every call with arguments of the same shapes.

    The next call overwrites the returned tensors. Raises TrainingError if the function waits for the GPU or does anything else that cannot
    be recorded.
    """

    def __init__(self, function: Callable[..., Any], like: Arguments) -> None:
        self._inputs = [None if tensor is None else tensor.clone() for tensor in like]
        self._graph = torch.cuda.CUDAGraph()
        try:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(WARM_UP):
                    function(*self._inputs)
            torch.cuda.current_stream().wait_stream(side)
            # Other threads prepare batches meanwhile, and their GPU calls must not break the recording.
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._out = function(*self._inputs)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            raise TrainingError(
                f"the network cannot be recorded as a CUDA graph ({str(error).splitlines()[0]}). "
                f"Use --set train.fast_path=off; a denoiser whose networks cannot be recorded must not set `replayable`."
            ) from error

    def __call__(self, *arguments: Tensor | None) -> Any:
        """The function's result for the arguments."""
        for recorded, argument in zip(self._inputs, arguments, strict=True):
            if recorded is not None and argument is not None:
                recorded.copy_(argument, non_blocking=True)
        self._graph.replay()
        return self._out


class ReplayedNetwork:
    """A network for inference: from the second call with the same shapes on, a recording for these shapes is replayed."""

    def __init__(self, network: Callable[..., Tensor]) -> None:
        self._network = network
        self._recorded: dict[Any, RecordedGraph | None] = {}

    def __call__(self, x: Tensor, level: Tensor, cond: Tensor | None = None) -> Tensor:
        """F(x [b, c, h, w], level [b], cond [b] or None)."""
        if torch.is_grad_enabled():
            return self._network(x, level, cond)
        key = (x.shape, x.dtype, cond is None)
        if key not in self._recorded:  # a shape that occurs once is not worth a recording
            self._recorded[key] = None
            return self._network(x, level, cond)
        recorded = self._recorded[key]
        if recorded is None:
            recorded = self._recorded[key] = RecordedGraph(self._network, (x, level, cond))
        out: Tensor = recorded(x, level, cond)
        return out.clone()
