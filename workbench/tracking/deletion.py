"""Deleted experiments and runs: MLflow keeps them and can restore them, but accepts no records for them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from workbench.errors import TrackingError
from workbench.secrets import mask_password

if TYPE_CHECKING:
    from mlflow.entities import Experiment

_DELETED = "deleted"


def check_experiment(experiment: Experiment, uri: str) -> None:
    """Raise a TrackingError with the remedy if an experiment is deleted."""
    if experiment.lifecycle_stage != _DELETED:
        return
    restore = _command(uri, f"experiments restore --experiment-id {experiment.experiment_id}")
    raise TrackingError(
        f"the experiment '{experiment.name}' is deleted in {mask_password(uri)}: restore it with `{restore}`, or choose another one "
        f"(new runs: --set tracking.experiment=NAME; unsent records: wb sync RUN --experiment NAME)"
    )


def check_active(client: Any, uri: str, run_id: str) -> bool:
    """True if the run accepts records, False if the store has no such run; TrackingError with the remedy if it is deleted."""
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    if run.info.lifecycle_stage != _DELETED:
        return True
    check_experiment(client.get_experiment(run.info.experiment_id), uri)
    restore = _command(uri, f"runs restore --run-id {run_id}")
    raise TrackingError(f"the run '{run.info.run_name}' is deleted in {mask_password(uri)}: restore it with `{restore}`")


def _command(uri: str, words: str) -> str:
    return f"MLFLOW_TRACKING_URI={shlex.quote(mask_password(uri))} mlflow {words}"
