"""Where a run computes, and with which precision."""

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


def choose_device(wish: str = "auto") -> torch.device:
    """The device for "auto", "cpu" or "cuda"; TrainingError where a GPU is wanted and there is none."""
    if wish == "cuda" and not torch.cuda.is_available():
        raise TrainingError("--device cuda: torch sees no GPU here. Use --device cpu, or install a build of torch for your GPU.")
    if wish == "auto":
        wish = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(wish)


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Weights stay float32; convolutions and matrix products run in bf16 where the precision says so."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()


def move_to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host on the device; the host does not wait for what a GPU is at."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)  # only from pinned memory is a copy asynchronous


def describe_device(device: torch.device) -> str:
    """For people: the GPU's name, or the number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"


def peak_memory(device: torch.device) -> int:
    """The most bytes this process has held: on a GPU in tensors, on a host of everything, libraries and data included; 0 where unknown."""
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
    """Whether a convolution, forward and backward, runs faster in bf16 on this processor.

    Measured, because processors that have bf16 instructions differ by a factor of ten, and some that have none emulate them.
    """
    x = torch.zeros(16, 64, 32, 32, requires_grad=True).contiguous(memory_format=torch.channels_last)
    with torch.random.fork_rng(devices=[]):  # a measurement must not move the generator that dropout draws from
        convolution = torch.nn.Conv2d(64, 64, 3, padding=1).to(memory_format=torch.channels_last)

    def step(precision: Precision) -> None:
        with autocast(torch.device("cpu"), precision):
            convolution(x).float().sum().backward()

    fp32, bf16 = (fastest_milliseconds(partial(step, precision), 4) for precision in get_args(Precision))
    return fp32 > bf16
