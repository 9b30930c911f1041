"""The fast path: on processors, other ways to compute what torch is slow at, where a measurement says so; on GPUs, compiled blocks, replayed."""

from workbench.engine.fast.choices import Choices, host, processor
from workbench.engine.fast.compiling import can_compile, compile_blocks
from workbench.engine.fast.graphs import Recorded, Replayed
from workbench.engine.fast.kernels import Kernels
from workbench.engine.fast.mode import FastPath

__all__ = ["Choices", "FastPath", "Kernels", "Recorded", "Replayed", "can_compile", "compile_blocks", "host", "processor"]
