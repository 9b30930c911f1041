"""Named points at which a test lets a process die or a disk be full. Without WB_FAULT they do nothing.

WB_FAULT="name" or "name:3" (the third time it is reached), with "=full" for a full disk instead of a sudden end, several separated by
commas. The points are where something has been done and what belongs to it has not.
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
    for part in filter(None, (each.strip() for each in os.environ.get("WB_FAULT", "").split(","))):
        name, _, what = part.partition("=")
        name, _, count = name.partition(":")
        if name not in POINTS:
            raise ValueError(f"WB_FAULT: no point '{name}'; points: {', '.join(POINTS)}")
        armed[name] = (int(count or 1), what or "kill")
    return armed


_reached: dict[str, int] = {}


def fault_point(name: str) -> None:
    """Do what WB_FAULT says of this point."""
    if name not in _armed():
        return
    count, what = _armed()[name]
    _reached[name] = _reached.get(name, 0) + 1
    if _reached[name] != count:
        return
    if what == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.kill(os.getpid(), signal.SIGKILL)
