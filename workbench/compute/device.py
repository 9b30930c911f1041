"""Devices and precision."""

from __future__ import annotations

import functools
import platform
import sys
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor

from workbench.compute.timing import fastest_milliseconds
from workbench.errors import TrainingError

Precision = Literal["fp32", "bf16"]


def choose_device(name: str = "auto") -> torch.device:
    """Return the device for "auto", "cpu" or "cuda"; raise TrainingError for "cuda" if torch finds no GPU."""
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError(
            "--device cuda: torch sees no GPU on this machine. Use --device cpu, or install a build of torch for your GPU."
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """A context in which convolutions and matrix products run in `precision`; weights stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()


def move_to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a host tensor to the device; to a GPU through pinned memory, without waiting for the GPU."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)  # copies are asynchronous from pinned memory only


def describe_device(device: torch.device) -> str:
    """The GPU's name, or the CPU's architecture and number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"


def peak_memory(device: torch.device) -> int:
    """Peak memory of this process in bytes: of tensors on a GPU, of everything (libraries and data too) on a CPU; 0 if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # Linux counts kilobytes


@functools.cache
def is_bf16_faster() -> bool:
    """True if a convolution, forward and backward, is faster in bf16 on this CPU.

    It is measured, because CPUs with bf16 instructions differ by a factor of ten, and some CPUs without them emulate them.
    """
    x = torch.zeros(16, 64, 32, 32, requires_grad=True).contiguous(memory_format=torch.channels_last)
    with torch.random.fork_rng(devices=[]):  # a measurement must not advance the generator that dropout draws from
        convolution = torch.nn.Conv2d(64, 64, 3, padding=1).to(memory_format=torch.channels_last)

    def step(precision: Precision) -> None:
        with autocast(torch.device("cpu"), precision):
            convolution(x).float().sum().backward()

    fp32, bf16 = (fastest_milliseconds(partial(step, precision), 4) for precision in get_args(Precision))
    return fp32 > bf16
