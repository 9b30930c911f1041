"""Where a run computes, and with which precision."""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Literal

import torch

from workbench.errors import TrainingError

__all__ = ["Precision", "autocast", "choose_device", "choose_precision", "describe_device"]

Precision = Literal["fp32", "bf16"]


def choose_device(wish: str = "auto") -> torch.device:
    """The device for "auto", "cpu" or "cuda"; TrainingError where a GPU is wanted and there is none."""
    if wish == "cuda" and not torch.cuda.is_available():
        raise TrainingError("--device cuda: torch sees no GPU here. Use --device cpu, or install a build of torch for your GPU.")
    if wish == "auto":
        wish = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(wish)


def choose_precision(wish: str, device: torch.device) -> Precision:
    """What "auto" means here: bf16 where matrix units compute it (Ampere and later, AMX), fp32 elsewhere."""
    if wish == "fp32":
        return "fp32"
    if wish == "bf16":
        return "bf16"
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    return "bf16" if _has_bf16_tiles() else "fp32"


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Weights stay float32; convolutions and matrix products run in bf16 where the precision says so."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()


def describe_device(device: torch.device) -> str:
    """For people: the GPU's name, or the number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"


def _has_bf16_tiles() -> bool:
    # Without AMX a bf16 convolution is emulated and slower than fp32.
    flags = Path("/proc/cpuinfo")
    return flags.exists() and " amx_bf16" in flags.read_text(errors="replace")
