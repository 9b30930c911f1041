"""Delete runs in a tracking store."""

from __future__ import annotations

from pathlib import Path

from workbench.secrets import mask_password
from workbench.tracking.children import PARENT_ID
from workbench.tracking.mlflow_errors import mlflow_errors
from workbench.tracking.store import default_uri, local_store


def delete_run(uri: str, run_id: str, home: Path) -> int:
    """Delete a run and the runs under it (evaluations); return how many, 0 if the store holds no active run of this id.

    MLflow keeps deleted runs until `mlflow gc`, and can restore them. Raises TrackingError if the store cannot be reached.
    """
    if uri == default_uri(home):
        local_store(home)
    with mlflow_errors(f"deleting run {run_id} in the tracking store {mask_password(uri)}"):
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=uri)
        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return 0
        if run.info.lifecycle_stage == "deleted":
            return 0
        deleted = 0
        children = f"tags.`{PARENT_ID}` = '{run_id}'"
        while page := client.search_runs([run.info.experiment_id], filter_string=children, max_results=100):
            for child in page:
                client.delete_run(child.info.run_id)
                deleted += 1
        client.delete_run(run_id)
        return deleted + 1
