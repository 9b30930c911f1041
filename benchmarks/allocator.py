"""What the C library does with freed memory, for each contender as in a process of its own."""

from __future__ import annotations

import ctypes
import sys

MIB = 2**20
# Parameters of glibc's mallopt (malloc.h).
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4


def keep() -> None:
    """As `workbench.compute.memory.keep_freed` has it."""
    _set({_TRIM_THRESHOLD: -1, _MMAP_MAX: 0})


def give_back() -> None:
    """As it comes. Left alone, glibc moves its thresholds up to these in a process that frees large blocks; told once, it moves them no more."""
    _set({_TRIM_THRESHOLD: 64 * MIB, _MMAP_THRESHOLD: 32 * MIB, _MMAP_MAX: 65_536})


def _set(options: dict[int, int]) -> None:
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        for option, value in options.items():
            mallopt(option, value)
