"""Experiments and runs that were deleted in the store: MLflow keeps them, takes nothing for them, and can restore them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from workbench.errors import TrackingError
from workbench.secrets import mask_password

if TYPE_CHECKING:
    from mlflow.entities import Experiment

_DELETED = "deleted"


def check_experiment(experiment: Experiment, uri: str) -> None:
    """Raise TrackingError, with what to do, if an experiment is deleted."""
    if experiment.lifecycle_stage != _DELETED:
        return
    restore = _command(uri, f"experiments restore --experiment-id {experiment.experiment_id}")
    raise TrackingError(
        f"the experiment '{experiment.name}' is deleted in {mask_password(uri)}: restore it with `{restore}`, or choose another one "
        f"(new runs: --set tracking.experiment=NAME; what waits to be sent: wb sync RUN --experiment NAME)"
    )


def check_active(client: Any, uri: str, run_id: str) -> bool:
    """True if the run can be added to, False if the store holds no such run; TrackingError, with what to do, if it is deleted."""
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
