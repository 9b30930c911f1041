"""A worker process: receives tasks over a pipe until there are none."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import Any

import torch

from workbench.progress import Progress, Stop
from workbench.sweep.folder import SweepFolder
from workbench.sweep.remeasuring import measure_draws
from workbench.sweep.trial import Hooks, run_trial
from workbench.sweep.wire import Task, Wire, outcome_to_dict

PROGRESS_SECONDS = 0.5  # between messages about progress


def run_worker(wire: Wire, folder: SweepFolder, device: torch.device, stop: Stop, warn: Callable[[str], None]) -> None:
    """Do task after task until the coordinator has no more or has ended, or `stop` is requested."""
    wire.send({"kind": "ready"})
    while not stop.requested and (message := wire.receive()) is not None:
        task = Task.of(message)
        if task.kind == "trial":
            _trial(wire, task, folder, device, stop, warn)
        else:
            _confirm(wire, task, folder, device, stop)


def _trial(
    wire: Wire,
    task: Task,
    folder: SweepFolder,
    device: torch.device,
    stop: Stop,
    warn: Callable[[str], None],
) -> None:
    progress = _Progress(wire)

    def report(step: int, value: float) -> bool:
        wire.send({"kind": "report", "step": step, "value": value})
        reply = wire.receive()
        return bool(reply and reply.get("prune"))

    hooks = Hooks(progress, report, warn)
    outcome = run_trial(task, folder, device, hooks, stop)
    wire.send({"kind": "interrupted"} if outcome is None else {"kind": "ended", "outcome": outcome_to_dict(outcome)})


def _confirm(wire: Wire, task: Task, folder: SweepFolder, device: torch.device, stop: Stop) -> None:
    progress = _Progress(wire)
    try:
        values = measure_draws(task, folder, device, progress, stop)
    except Exception:  # reported for its trial; the others can still be measured
        wire.send({"kind": "ended", "error": traceback.format_exc()})
        return
    wire.send({"kind": "interrupted"} if values is None else {"kind": "ended", "values": values})


class _Progress:
    """Sends the progress of a task, not too often."""

    def __init__(self, wire: Wire) -> None:
        self._wire, self._last = wire, 0.0

    def __call__(self, moment: Progress) -> None:
        now = time.monotonic()
        if now - self._last >= PROGRESS_SECONDS:
            self._last = now
            self._wire.send({"kind": "progress", **_fields(moment)})


def _fields(moment: Progress) -> dict[str, Any]:
    names = ("phase", "step", "done", "total", "what", "images_per_second", "seconds_left")
    return {name: getattr(moment, name) for name in names}
