"""A worker process of `wb sweep`, which starts it: python -m workbench.cli.sweep.piped FOLDER DEVICE, tasks on standard input."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import workbench as wb
from workbench.cli.signals import hangup_signals
from workbench.cli.streams import lasting_streams
from workbench.cli.tracked import RunTracking, start_tracking
from workbench.progress import Stop


def main(folder: str, device: str) -> None:
    """Work until there is no more to do."""
    # Messages go where standard output went; whatever a library prints goes to the log.
    outgoing = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    stop = Stop()
    for number in (signal.SIGTERM, *hangup_signals()):
        signal.signal(number, lambda number, frame: stop.request(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sweep = wb.sweep.SweepFolder(Path(folder))

    def warn(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def open_record(task: wb.sweep.Task, run: wb.runs.RunFolder, parts: wb.model.Parts) -> RunTracking:
        # The search is told once, by the run above: here it would hide what was chosen.
        parts = replace(parts, recipe=parts.recipe.model_copy(update={"sweep": None}))
        return start_tracking(run, parts, sweep.recipe, None, sweep.home, warn, _tags(task, sweep.name), send=bool(task.parent))

    wire = wb.sweep.Wire(sys.stdin, outgoing, lambda: stop.request(signal.SIGTERM))
    wb.sweep.run_worker(wire, sweep, wb.compute.choose_device(device), open_record, stop, warn)


def _tags(task: wb.sweep.Task, name: str) -> Mapping[str, str]:
    parent = {wb.tracking.PARENT: task.parent["run"]} if task.parent else {}
    return {**parent, "wb.sweep": name, "wb.trial": str(task.number)}


if __name__ == "__main__":
    with lasting_streams():
        main(*sys.argv[1:])
