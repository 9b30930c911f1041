"""Child runs: what is measured on a trained network after its training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from workbench.errors import TrackingError
from workbench.secrets import mask_password
from workbench.tracking.deletion import check_active
from workbench.tracking.mlflow_errors import mlflow_errors
from workbench.tracking.store import connect, run_by_tag
from workbench.tracking.store_run import StoreRun

PARENT_ID = "mlflow.parentRunId"  # the tag by which the UI nests runs


def find_recorded_run(uri: str, run_id: str, home: Path) -> StoreRun:
    """The run of the store with this id; its status does not change. TrackingError if the store does not hold it, or it is deleted."""
    with mlflow_errors(f"finding run {run_id} in the tracking store {mask_password(uri)}"):
        client = connect(uri, home)
        if not check_active(client, uri, run_id):
            raise TrackingError(f"finding run {run_id} in the tracking store {mask_password(uri)} failed: it is not there")
        return StoreRun(client, run_id)


def open_child(parent: StoreRun, uri: str, name: str, tags: Mapping[str, str], once: str, run_id: str | None) -> StoreRun:
    """The child run with `run_id`; else the one with the same value under the tag `once`; else a new one, next to `parent`."""
    client = parent.client
    with mlflow_errors(f"opening the child run {name}"):
        experiment = client.get_run(parent.run_id).info.experiment_id
        if run_id is not None and not check_active(client, uri, run_id):
            run_id = None
        if run_id is None:
            run_id = run_by_tag(client, experiment, once, tags[once])
        if run_id is None:
            run = client.create_run(experiment, run_name=name, tags={PARENT_ID: parent.run_id, **tags})
            return StoreRun(client, run.info.run_id)
        client.set_tag(run_id, PARENT_ID, parent.run_id)  # the parent may have been recorded again
        return StoreRun(client, run_id)
