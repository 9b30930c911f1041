"""Runs under a run: what is measured on a trained network after its training."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import TrackingError
from workbench.secrets import mask_password
from workbench.tracking.deleted import check_active
from workbench.tracking.mlflow_tracker import MlflowTracker
from workbench.tracking.quiet import mlflow_errors
from workbench.tracking.store import default_uri, local_store


def find_recorded_run(uri: str, run_id: str, home: Path) -> MlflowTracker:
    """A run that is in the store, to add to; its status stays as it is. TrackingError where it is not there, or deleted."""
    if uri == default_uri(home):
        local_store(home)
    with mlflow_errors(f"finding run {run_id} in the tracking store {mask_password(uri)}"):
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=uri)
        if not check_active(client, uri, run_id):
            raise TrackingError(f"finding run {run_id} in the tracking store {mask_password(uri)} failed: it is not there")
        return MlflowTracker(client, run_id)


def child_of(parent: MlflowTracker, name: str) -> MlflowTracker:
    """A new run in the experiment of `parent`, which the UI shows under it."""
    with mlflow_errors(f"recording {name}"):
        experiment = parent.client.get_run(parent.run_id).info.experiment_id
        run = parent.client.create_run(experiment, run_name=name, tags={"mlflow.parentRunId": parent.run_id})
        return MlflowTracker(parent.client, run.info.run_id)
