"""A worker process of `wb sweep`, which starts it: python -m workbench.cli.sweep.piped FOLDER DEVICE, tasks on standard input."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import workbench as wb
from workbench.cli.signals import hangup_signals
from workbench.cli.streams import robust_streams
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

    wire = wb.sweep.Wire(sys.stdin, outgoing, lambda: stop.request(signal.SIGTERM))
    wb.sweep.run_worker(wire, sweep, wb.compute.choose_device(device), stop, warn)


if __name__ == "__main__":
    with robust_streams():
        main(*sys.argv[1:])
