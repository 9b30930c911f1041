"""A run in MLflow."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.interfaces import RunStatus
from workbench.tracking.quiet import mlflow_errors

if TYPE_CHECKING:
    from PIL.Image import Image

BATCH = 100  # MLflow's limit for params and tags
LONGEST = 500
FLUSH_SECONDS = 5.0
FLUSH_COUNT = 200


class MlflowTracker:
    """Records one run through an MlflowClient; metrics are sent in batches, the rest at once."""

    def __init__(self, client: Any, run_id: str) -> None:
        self.client, self.run_id = client, run_id
        self._metrics: list[Any] = []
        self._flushed = time.monotonic()

    def params(self, params: Mapping[str, object]) -> None:
        """Recipe fields by dotted key."""
        with mlflow_errors("recording the recipe"):
            from mlflow.entities import Param

            rows = [Param(key, str(value)[:LONGEST]) for key, value in params.items()]
            for start in range(0, len(rows), BATCH):
                self.client.log_batch(self.run_id, params=rows[start : start + BATCH])

    def tags(self, tags: Mapping[str, str]) -> None:
        """Facts to search by."""
        with mlflow_errors("recording tags"):
            from mlflow.entities import RunTag

            rows = [RunTag(key, str(value)[:5000]) for key, value in tags.items()]
            for start in range(0, len(rows), BATCH):
                self.client.log_batch(self.run_id, tags=rows[start : start + BATCH])

    def dataset(self, name: str, source: str, digest: str, context: str) -> None:
        """The run's dataset entry."""
        with mlflow_errors("recording the dataset"):
            from mlflow.entities import Dataset, DatasetInput, InputTag

            entry = Dataset(name=name, digest=digest[:36], source_type="local", source=source)
            self.client.log_inputs(self.run_id, datasets=[DatasetInput(entry, [InputTag("mlflow.data.context", context)])])

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Numbers at a step, sent within a few seconds."""
        with mlflow_errors("recording metrics"):
            from mlflow.entities import Metric

            now = int(time.time() * 1000)
            self._metrics += [Metric(key, float(value), now, step) for key, value in values.items()]
            if len(self._metrics) >= FLUSH_COUNT or time.monotonic() - self._flushed > FLUSH_SECONDS:
                self._flush()

    def image(self, key: str, image: Image, step: int) -> None:
        """A picture that the UI shows with a slider over steps."""
        with mlflow_errors(f"recording the picture {key}"):
            self._flush()
            self.client.log_image(self.run_id, image, key=key, step=step)

    def artifact(self, path: Path, folder: str = "") -> None:
        """A file, or a folder with all that is in it."""
        with mlflow_errors(f"recording {path.name}"):
            if path.is_dir():
                self.client.log_artifacts(self.run_id, str(path), f"{folder}/{path.name}" if folder else path.name)
            else:
                self.client.log_artifact(self.run_id, str(path), folder or None)

    def finish(self, status: RunStatus) -> None:
        """Send what is left and end the run."""
        with mlflow_errors("ending the run"):
            self._flush()
            self.client.set_terminated(self.run_id, status=status)

    def _flush(self) -> None:
        rows, self._metrics = self._metrics, []
        self._flushed = time.monotonic()
        for start in range(0, len(rows), 1000):
            self.client.log_batch(self.run_id, metrics=rows[start : start + 1000])
