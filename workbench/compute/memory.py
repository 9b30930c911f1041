"""Out-of-memory errors with advice on what to change."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from workbench.errors import OutOfMemory

# Recipe fields that set how many images are in memory at once.
TRAINING = "train.batch_size"
MICRO_BATCH = "train.micro_batch"
DRAWING = "evaluate.batch_size"

# Only CUDA's allocator has an exception of its own; others raise a RuntimeError and are recognized by their message.
_SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc", "bad allocation", "alloc_failed")
_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_NEEDED = re.compile(r"allocate ([\d.]+) (bytes|KiB|MiB|GiB|TiB)")
_FREE_ON_GPU = re.compile(r"of which ([\d.]+) (bytes|KiB|MiB|GiB|TiB) is free")


@contextmanager
def explain_out_of_memory(key: str, size: int, checkpoint: Path | None = None) -> Iterator[None]:
    """Raise OutOfMemory if the block runs out of memory; the message names what to change.

    `key` is the recipe field that sets the batch size, `size` the number of images in memory at once, `checkpoint` the run's newest one.
    The tensors of the failed computation are freed, because the end of the run must still be recorded.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        message = f"{key} = {size} did not fit into memory{_amounts(error)}: {_advice(key, size)}{_checkpoint_note(checkpoint)}"
        traceback.clear_frames(error.__traceback__)
        raise OutOfMemory(message) from error


@contextmanager
def explain_exhausted_memory() -> Iterator[None]:
    """Raise OutOfMemory if the block runs out of memory for a reason other than the batch size."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise exhausted_memory_error(error) from error


def is_out_of_memory(error: BaseException) -> bool:
    """True if an error reports that no memory is left, on a GPU or on the host."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)


def exhausted_memory_error(error: BaseException) -> OutOfMemory:
    """The error to report if memory ran out for a reason other than the batch size."""
    return OutOfMemory(
        f"there is not enough memory{_amounts(error)}: end other programs, or use a smaller network, smaller images or fewer of them "
        f"(evaluate.samples, evaluate.real)"
    )


def _advice(key: str, size: int) -> str:
    if size == 1:
        return "use a smaller network, or smaller images (dataset.image_size)"
    half = size // 2
    smaller = f"--set {key}={half}"
    if key == TRAINING:
        return f"try --set {MICRO_BATCH}={half}, which accumulates gradients to the same result up to rounding, or {smaller}"
    if key == DRAWING:
        return f"try {smaller}, or --batch-size {half} with wb sample and wb eval"
    return f"try {smaller}"


def _checkpoint_note(checkpoint: Path | None) -> str:
    return "" if checkpoint is None else f"; the last checkpoint is kept in {checkpoint}"


def _amounts(error: BaseException) -> str:
    needed, free = _parse_bytes(_NEEDED, str(error)), _parse_bytes(_FREE_ON_GPU, str(error))
    if free is None and not isinstance(error, torch.OutOfMemoryError):
        free = _free_on_host()
    parts = [
        *([] if needed is None else [f"needs {_format_bytes(needed)} more"]),
        *([] if free is None else [f"has {_format_bytes(free)}"]),
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _parse_bytes(pattern: re.Pattern[str], text: str) -> float | None:
    match = pattern.search(text)
    return None if match is None else float(match[1]) * _UNITS[match[2]]


def _free_on_host() -> float | None:
    """Bytes that this process may still allocate, limited by the machine's free memory and by `ulimit -v`; None if unknown."""
    try:
        import resource

        available = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    except (ImportError, OSError, ValueError):
        return None
    limits = [1024.0 * int(available[1])] if available else []
    if limit != resource.RLIM_INFINITY:
        limits.append(max(0.0, float(limit - used)))
    return min(limits, default=None)


def _format_bytes(count: float) -> str:
    return f"{count / 2**20:,.0f} MiB" if count < 2**30 else f"{count / 2**30:,.1f} GiB"
