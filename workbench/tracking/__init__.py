"""Recording runs in MLflow. Nothing else in the workbench imports it."""

from workbench.tracking.children import child_of, recorded_run
from workbench.tracking.facts import facts
from workbench.tracking.mlflow_tracker import MlflowTracker
from workbench.tracking.store import local_store, open_run, tracking_uri

__all__ = ["MlflowTracker", "child_of", "facts", "local_store", "open_run", "recorded_run", "tracking_uri"]
