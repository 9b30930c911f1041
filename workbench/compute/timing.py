"""Measured durations."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


def fastest_milliseconds(action: Callable[[], object], repeats: int, device: torch.device | None = None) -> float:
    """Milliseconds of the fastest of `repeats` calls; on a GPU (`device`) each call includes the work that it launched.

    There is no separate warm-up: a first call that is slow does not count while `repeats` is at least 2.
    """
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        if device is not None and device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return 1e3 * min(times)
