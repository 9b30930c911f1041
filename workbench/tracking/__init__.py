"""Recording runs in MLflow. Nothing else in the workbench imports it."""

from workbench.secrets import masked
from workbench.tracking.children import child_of, recorded_run
from workbench.tracking.delivery import PARENT
from workbench.tracking.drain import Drainer, drained
from workbench.tracking.facts import facts
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
    store_name,
    tracking_uri,
    uri_again,
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
    "drained",
    "facts",
    "is_same_store",
    "local_store",
    "masked",
    "open_run",
    "open_view",
    "recorded_run",
    "relocate_store",
    "store_name",
    "tracking_uri",
    "uri_again",
]
