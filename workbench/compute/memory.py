"""What does not fit into memory, told with what to change; a step that fails takes nothing else down."""

from __future__ import annotations

import ctypes
import functools
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from workbench.errors import OutOfMemory

TRAINING = "train.batch_size"
DRAWING = "evaluate.batch_size"

# Only CUDA's allocator has an error of its own; others raise a RuntimeError and are known by what they say.
_SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc", "bad allocation", "alloc_failed")
_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_NEEDED = re.compile(r"allocate ([\d.]+) (bytes|KiB|MiB|GiB|TiB)")
_FREE_ON_GPU = re.compile(r"of which ([\d.]+) (bytes|KiB|MiB|GiB|TiB) is free")


# Parameters of glibc's mallopt (malloc.h).
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


@functools.cache
def retain_freed_memory() -> None:
    """Have the C library keep what is freed for what is allocated next, where it is glibc.

    Every step allocates what the last one freed. Given back to the system in between, large tensors come back as pages that must be mapped
    and cleared one by one, which takes up to a tenth of a step on two cores. The greatest need of memory stays what it is.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_TRIM_THRESHOLD, -1)
        mallopt(_M_MMAP_MAX, 0)


@contextmanager
def explain_out_of_memory(key: str, size: int, kept: Path | None = None) -> Iterator[None]:
    """Raise OutOfMemory where memory does not hold what is computed for `size` images, as the recipe's field `key` says.

    `kept` is the checkpoint that is left. What the failed computation held is let go: the end of a run has to be written down yet.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        told = OutOfMemory(f"{key} = {size} did not fit into memory{_figures(error)}: {_advice(key, size)}{_left(kept)}")
        traceback.clear_frames(error.__traceback__)
        raise told from error


@contextmanager
def explain_exhausted_memory() -> Iterator[None]:
    """Raise OutOfMemory where memory runs out in the block and no batch is to blame."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise exhausted_memory_error(error) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no memory left, on a GPU or on the host."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)


def exhausted_memory_error(error: BaseException) -> OutOfMemory:
    """What to say of memory that ran out where no batch is to blame."""
    return OutOfMemory(
        f"there is not enough memory{_figures(error)}: end other programs, or use a smaller network, smaller images or fewer of them "
        f"(evaluate.samples, evaluate.real)"
    )


def _advice(key: str, size: int) -> str:
    if size == 1:
        return "use a smaller network, or smaller images (dataset.image_size)"
    half = size // 2
    of_a_trained_run = f", or --batch-size {half} with wb sample and wb eval" if key == DRAWING else ""
    return f"try --set {key}={half}{of_a_trained_run}"


def _left(kept: Path | None) -> str:
    return "" if kept is None else f"; the last checkpoint is kept in {kept}"


def _figures(error: BaseException) -> str:
    needed, free = _amount(_NEEDED, str(error)), _amount(_FREE_ON_GPU, str(error))
    if free is None and not isinstance(error, torch.OutOfMemoryError):
        free = _free_on_host()
    parts = [*([] if needed is None else [f"needs {_told(needed)} more"]), *([] if free is None else [f"has {_told(free)}"])]
    return f" ({', '.join(parts)})" if parts else ""


def _amount(pattern: re.Pattern[str], text: str) -> float | None:
    found = pattern.search(text)
    return None if found is None else float(found[1]) * _UNITS[found[2]]


def _free_on_host() -> float | None:
    """What this process may still take, where the system says it: of the machine's memory, and of what `ulimit -v` allows."""
    try:
        import resource

        available = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    except (ImportError, OSError, ValueError):
        return None
    most = [1024.0 * int(available[1])] if available else []
    if limit != resource.RLIM_INFINITY:
        most.append(max(0.0, float(limit - used)))
    return min(most, default=None)


def _told(count: float) -> str:
    return f"{count / 2**20:,.0f} MiB" if count < 2**30 else f"{count / 2**30:,.1f} GiB"
