"""A worker process of `wb sweep`, which starts it: python -m workbench.cli.sweep.piped FOLDER DEVICE, tasks on standard input."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.cli.streams import lasting_streams

if TYPE_CHECKING:
    from workbench.sweep import Task


def main(folder: str, device: str) -> None:
    """Work until there is no more to do."""
    # Messages go where standard output went; whatever a library prints goes to the log.
    outgoing = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    from workbench.cli.signals import hangup_signals
    from workbench.cli.tracked import RunTracking, start_tracking
    from workbench.compute import choose_device
    from workbench.model import Parts
    from workbench.progress import Stop
    from workbench.runs import RunFolder
    from workbench.sweep import SweepFolder, Wire, run_worker

    stop = Stop()
    for number in (signal.SIGTERM, *hangup_signals()):
        signal.signal(number, lambda number, frame: stop.request(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sweep = SweepFolder(Path(folder))

    def warn(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def open_record(task: Task, run: RunFolder, parts: Parts) -> RunTracking:
        # The search is told once, by the run above: here it would hide what was chosen.
        parts = replace(parts, recipe=parts.recipe.model_copy(update={"sweep": None}))
        return start_tracking(run, parts, sweep.recipe, None, sweep.home, warn, _tags(task, sweep.name), send=bool(task.parent))

    wire = Wire(sys.stdin, outgoing, lambda: stop.request(signal.SIGTERM))
    run_worker(wire, sweep, choose_device(device), open_record, stop, warn)


def _tags(task: Task, name: str) -> Mapping[str, str]:
    from workbench.tracking import PARENT

    parent = {PARENT: task.parent["run"]} if task.parent else {}
    return {**parent, "wb.sweep": name, "wb.trial": str(task.number)}


if __name__ == "__main__":
    with lasting_streams():
        main(*sys.argv[1:])
