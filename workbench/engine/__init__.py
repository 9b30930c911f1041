"""Assemble, train, evaluate."""

from workbench.engine.assembly import Parts, assemble
from workbench.engine.checkpoint import Checkpoint, latest, newest
from workbench.engine.cost import Cost, estimate
from workbench.engine.device import choose_device, describe_device
from workbench.engine.distances import prepare_references
from workbench.engine.environment import Agreement, agreement_with
from workbench.engine.evaluate import evaluate
from workbench.engine.evaluations import Evaluation, Evaluator, Measurement
from workbench.engine.origins import changed_origins, origins_of, record_origins
from workbench.engine.progress import Progress, Stop, Stopped
from workbench.engine.recording import final_weights, recorded
from workbench.engine.resume import Change, Plan, differences, plan_run
from workbench.engine.run_spec import RunSpec, changed_data, read_run, record_data
from workbench.engine.runs import RunFolder, create_run, find_run, list_runs, open_folder
from workbench.engine.spent import Spent, spent
from workbench.engine.train import train
from workbench.engine.trained import drawer_of, evaluated_again

__all__ = [
    "Agreement",
    "Change",
    "Checkpoint",
    "Cost",
    "Evaluation",
    "Evaluator",
    "Measurement",
    "Parts",
    "Plan",
    "Progress",
    "RunFolder",
    "RunSpec",
    "Spent",
    "Stop",
    "Stopped",
    "agreement_with",
    "assemble",
    "changed_data",
    "changed_origins",
    "choose_device",
    "create_run",
    "describe_device",
    "differences",
    "drawer_of",
    "estimate",
    "evaluate",
    "evaluated_again",
    "final_weights",
    "find_run",
    "latest",
    "list_runs",
    "newest",
    "open_folder",
    "origins_of",
    "plan_run",
    "prepare_references",
    "read_run",
    "record_data",
    "record_origins",
    "recorded",
    "spent",
    "train",
]
