"""Recording runs in MLflow. Nothing else in the workbench imports it."""

from workbench.secrets import mask_password
from workbench.tracking.children import child_of, find_recorded_run
from workbench.tracking.delivery import PARENT
from workbench.tracking.drain import Drainer, send_pending
from workbench.tracking.facts import run_facts
from workbench.tracking.mlflow_tracker import MlflowTracker
from workbench.tracking.outbox import Outbox
from workbench.tracking.store import (
    LOCAL,
    artifact_root,
    check_uri,
    default_uri,
    is_same_store,
    local_store,
    open_run,
    relocate_store,
    resolve_uri,
    store_name,
    tracking_uri,
)
from workbench.tracking.view import open_view

__all__ = [
    "LOCAL",
    "PARENT",
    "Drainer",
    "MlflowTracker",
    "Outbox",
    "artifact_root",
    "check_uri",
    "child_of",
    "default_uri",
    "find_recorded_run",
    "is_same_store",
    "local_store",
    "mask_password",
    "open_run",
    "open_view",
    "relocate_store",
    "resolve_uri",
    "run_facts",
    "send_pending",
    "store_name",
    "tracking_uri",
]
