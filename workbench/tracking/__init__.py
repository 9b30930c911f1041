"""Recording runs in MLflow. Nothing else in the workbench imports it."""

from workbench.tracking.children import child_of, recorded_run
from workbench.tracking.delivery import PARENT
from workbench.tracking.drain import Drainer, drained
from workbench.tracking.facts import facts
from workbench.tracking.mlflow_tracker import MlflowTracker
from workbench.tracking.outbox import Outbox
from workbench.tracking.secrets import masked
from workbench.tracking.store import LOCAL, check_uri, default_uri, local_store, open_run, tracking_uri, uri_again
from workbench.tracking.view import open_view

__all__ = [
    "LOCAL",
    "PARENT",
    "Drainer",
    "MlflowTracker",
    "Outbox",
    "check_uri",
    "child_of",
    "default_uri",
    "drained",
    "facts",
    "local_store",
    "masked",
    "open_run",
    "open_view",
    "recorded_run",
    "tracking_uri",
    "uri_again",
]
