"""torch.compile for GPUs, block by block."""

from __future__ import annotations

from importlib.util import find_spec

import torch
from torch import nn

# torch gives up on code that it has compiled for so many shapes. All blocks of a kind share theirs, and a network has more than its default, 8.
SHAPES = 256


def can_compile(device: torch.device) -> bool:
    """Whether compiling pays there: on GPUs that Triton writes code for."""
    return device.type == "cuda" and find_spec("triton") is not None and torch.cuda.get_device_capability(device) >= (7, 0)


def compile_blocks(network: nn.Module, backend: str = "inductor") -> int:
    """Have every block of a network compiled when it first runs, in place; returns how many there are.

    Blocks are what stands in a ModuleList. A block that occurs many times is compiled once per shape, where a whole network would take
    minutes, and torch keeps the code for the next process. Names and weights stay as they are. A network without blocks is compiled whole.
    """
    blocks = {id(block): block for module in network.modules() if isinstance(module, nn.ModuleList) for block in module}
    nested = {id(inner) for block in blocks.values() for inner in block.modules() if inner is not block}
    outer = [block for key, block in blocks.items() if key not in nested] or [network]
    limits = torch._dynamo.config
    limits.recompile_limit = max(limits.recompile_limit, SHAPES)
    limits.accumulated_recompile_limit = max(limits.accumulated_recompile_limit, SHAPES)
    for block in outer:
        # Sizes are those of the recipe: code for any size would be slower, and compiled again.
        block.compile(backend=backend, dynamic=False)
    return len(outer)
