"""A worker process of `wb sweep`, which starts it: python -m workbench.cli.sweep.piped FOLDER DEVICE, tasks on standard input."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["main"]


def main(folder: str, device: str) -> None:
    """Work until there is no more to do."""
    # Messages go where standard output went; whatever a library prints goes to the log.
    outgoing = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    from workbench.engine import Parts, RunFolder, Stop, choose_device
    from workbench.interfaces import NullTracker, Tracker
    from workbench.sweep.folder import SweepFolder
    from workbench.sweep.wire import Task, Wire
    from workbench.sweep.worker import work

    stop = Stop()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.request(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sweep = SweepFolder(Path(folder))

    def open_tracker(task: Task, run: RunFolder, parts: Parts) -> Tracker:
        if not task.parent:
            return NullTracker()
        from workbench.cli.tracked import tracked

        return tracked(run, parts, sweep.recipe, task.parent["uri"], sweep.home, _tags(task, sweep.name))

    wire = Wire(sys.stdin, outgoing, lambda: stop.request(signal.SIGTERM))
    work(wire, sweep, choose_device(device), open_tracker, stop, lambda text: print(text, file=sys.stderr))


def _tags(task: object, name: str) -> Mapping[str, str]:
    from workbench.sweep.wire import Task

    if not isinstance(task, Task):
        return {}
    return {"mlflow.parentRunId": task.parent["run_id"], "wb.sweep": name, "wb.trial": str(task.number)}


if __name__ == "__main__":
    main(*sys.argv[1:])
