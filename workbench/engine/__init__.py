"""Assemble, train, evaluate."""

from workbench.engine.assembly import Parts, assemble
from workbench.engine.device import choose_device, describe_device
from workbench.engine.evaluate import evaluate
from workbench.engine.progress import Progress, Stop
from workbench.engine.recording import recorded
from workbench.engine.runs import RunFolder, create_run, find_run, list_runs
from workbench.engine.train import train

__all__ = [
    "Parts",
    "Progress",
    "RunFolder",
    "Stop",
    "assemble",
    "choose_device",
    "create_run",
    "describe_device",
    "evaluate",
    "find_run",
    "list_runs",
    "recorded",
    "train",
]
