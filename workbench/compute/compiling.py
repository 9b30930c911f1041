"""Compilation of networks for GPUs with torch.compile, block by block."""

from __future__ import annotations

from importlib.util import find_spec

import torch
from torch import nn

# torch stops compiling code after this many shapes. Blocks of one class share the limit, and a network has more shapes than the default of 8.
MOST_SHAPES = 256


def can_compile(device: torch.device) -> bool:
    """True if compilation pays on the device: a GPU that Triton supports."""
    return device.type == "cuda" and find_spec("triton") is not None and torch.cuda.get_device_capability(device) >= (7, 0)


def compile_blocks(network: nn.Module, backend: str = "inductor") -> int:
    """Make every block of a network compile at its first call, in place; return the number of blocks.

    Blocks are the modules in a ModuleList. Blocks of one class are compiled once per shape, while a whole network would take minutes, and
    torch stores the code for the next process. Names and weights do not change. A network without blocks is compiled as a whole.
    """
    blocks = {id(block): block for module in network.modules() if isinstance(module, nn.ModuleList) for block in module}
    nested = {id(inner) for block in blocks.values() for inner in block.modules() if inner is not block}
    outer = [block for key, block in blocks.items() if key not in nested] or [network]
    limits = torch._dynamo.config
    limits.recompile_limit = max(limits.recompile_limit, MOST_SHAPES)
    limits.accumulated_recompile_limit = max(limits.accumulated_recompile_limit, MOST_SHAPES)
    for block in outer:
        # Sizes are fixed by the recipe; code for any size would be slower, and would be compiled in addition.
        block.compile(backend=backend, dynamic=False)
    return len(outer)
