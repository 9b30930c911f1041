"""Named points at which a test kills the process or fills the disk. Without WB_FAULT they do nothing.

WB_FAULT="name" or "name:3" (the third time it is reached), with "=full" for a full disk instead of SIGKILL; several are separated by
commas. The points lie between steps that belong together.
"""

from __future__ import annotations

import errno
import os
import signal
from functools import lru_cache

POINTS = (
    "file written",
    "checkpoint begun",
    "checkpoint file written",
    "checkpoint manifest written",
    "checkpoint named",
    "checkpoint read back",
    "checkpoint pruned",
    "journal before commit",
    "journal committed",
    "records sent",
    "records acknowledged",
    "step done",
    "evaluation begun",
    "run ended",
)


@lru_cache(maxsize=1)
def _armed() -> dict[str, tuple[int, str]]:
    armed = {}
    for part in filter(None, (part.strip() for part in os.environ.get("WB_FAULT", "").split(","))):
        name, _, action = part.partition("=")
        name, _, count = name.partition(":")
        if name not in POINTS:
            raise ValueError(f"WB_FAULT: no point '{name}'; points: {', '.join(POINTS)}")
        armed[name] = (int(count or 1), action or "kill")
    return armed


_reached: dict[str, int] = {}


def fault_point(name: str) -> None:
    """Execute the fault that WB_FAULT sets for this point."""
    if name not in _armed():
        return
    count, action = _armed()[name]
    _reached[name] = _reached.get(name, 0) + 1
    if _reached[name] != count:
        return
    if action == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.kill(os.getpid(), signal.SIGKILL)
