"""How the C library handles freed memory, set for each contender as if it ran in its own process."""

from __future__ import annotations

import ctypes
import sys

MIB = 2**20
# Parameters of glibc's mallopt (malloc.h).
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4


def retain_freed() -> None:
    """The same settings as `workbench.compute.allocator.retain_freed_memory`."""
    _set({_TRIM_THRESHOLD: -1, _MMAP_MAX: 0})


def return_freed() -> None:
    """The default of glibc: by itself it raises its thresholds to these in a process that frees large blocks; once set, they are fixed."""
    _set({_TRIM_THRESHOLD: 64 * MIB, _MMAP_THRESHOLD: 32 * MIB, _MMAP_MAX: 65_536})


def _set(options: dict[int, int]) -> None:
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        for option, value in options.items():
            mallopt(option, value)
