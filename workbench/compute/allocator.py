"""Settings of the C library's memory allocator."""

from __future__ import annotations

import ctypes
import functools
import sys

# Parameters of glibc's mallopt (malloc.h).
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


@functools.cache
def retain_freed_memory() -> None:
    """Make glibc keep freed memory for later allocations; has no effect with other C libraries.

    Every step allocates what the step before freed. If that memory is returned to the system in between, large tensors get pages that
    must be mapped and cleared one by one, which takes up to a tenth of a step on two cores. Peak memory does not change.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_TRIM_THRESHOLD, -1)
        mallopt(_M_MMAP_MAX, 0)
