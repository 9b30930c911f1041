"""Records of a journal as requests to MLflow: sent, then acknowledged."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from workbench.errors import TrackingError
from workbench.faults import fault_point
from workbench.journal import Journal, JournalNumber, JournalRecord
from workbench.tracking.children import PARENT_ID
from workbench.tracking.mlflow_errors import Refused, mlflow_errors
from workbench.tracking.outbox import file_of
from workbench.tracking.store import run_by_tag
from workbench.tracking.store_run import StoreRun

NUMBERS = 1000  # MLflow's limits in a request: metrics,
TEXTS = 100  # params or tags,
LONGEST_PARAM = 500  # characters of a param,
LONGEST_TAG = 5000  # of a tag,
LONGEST_DIGEST = 36  # of the digest of a data set
# Numbers that never change within a run, and the params they become: as metrics they would be flat lines.
CONSTANTS = {"eval/nfe": "nfe"}
PARENT = "wb.parent"  # a tag: the wb.run of the parent run
THUMBNAIL = 256  # pixels, as MLflow's own
_LOGGED_IMAGES = "mlflow.loggedImages"
Row = TypeVar("Row", JournalNumber, JournalRecord)


class RecordSender:
    """Sends the records of one run to `run`, a run of `experiment`. A record that the store will never take is marked as refused."""

    def __init__(self, journal: Journal, run: StoreRun, experiment: str) -> None:
        self._journal, self._experiment = journal, experiment
        self._client, self._run_id = run.client, run.run_id

    def send(self) -> int:
        """Send every kind of record in turn; how many were sent or refused."""
        sent = 0
        batches: tuple[Callable[[], int], ...] = (
            lambda: self._send_texts("param"),
            lambda: self._send_texts("tag"),
            lambda: self._send_one("dataset", self._log_dataset),
            self._send_numbers,
            lambda: self._send_one("image", self._log_image),
            lambda: self._send_one("artifact", self._log_artifact),
        )
        for send_batch in batches:
            while count := send_batch():
                sent += count
        # The status comes last: a run must not look ended in the store before everything has arrived.
        if self._journal.unsent() == len(self._journal.unsent_records("status")):
            sent += self._send_one("status", self._log_status)
        return sent

    def _send_numbers(self) -> int:
        rows = self._journal.unsent_numbers(NUMBERS)
        if rows:
            self._send_halves(rows, "metrics", self._log_numbers, self._journal.refuse_number, self._acknowledge_numbers)
        return len(rows)

    def _send_texts(self, kind: str) -> int:
        rows = self._journal.unsent_records(kind, TEXTS)
        log = self._log_params if kind == "param" else self._log_tags
        if rows:
            self._send_halves(rows, f"{kind}s", log, self._journal.refuse, self._acknowledge_records)
        return len(rows)

    def _send_halves(
        self,
        rows: list[Row],
        what: str,
        log: Callable[[list[Row]], None],
        refuse: Callable[[int, str], None],
        acknowledge: Callable[[list[Row]], None],
    ) -> None:
        """Send `rows` in one request; if the store refuses it, in two, down to the one that it will never take."""
        try:
            with mlflow_errors(f"sending {what}"):
                log(rows)
        except Refused as error:
            if len(rows) == 1:
                refuse(rows[0].id, str(error))
                return
            middle = len(rows) // 2
            for half in (rows[:middle], rows[middle:]):
                self._send_halves(half, what, log, refuse, acknowledge)
            return
        fault_point("records sent")
        acknowledge(rows)
        fault_point("records acknowledged")

    def _acknowledge_numbers(self, rows: list[JournalNumber]) -> None:
        self._journal.acknowledge(numbers=[row.id for row in rows])

    def _acknowledge_records(self, rows: list[JournalRecord]) -> None:
        self._journal.acknowledge(records=[row.id for row in rows])

    def _log_numbers(self, rows: list[JournalNumber]) -> None:
        from mlflow.entities import Metric, Param

        metrics = [Metric(row.key, row.value, row.at, row.step) for row in rows if row.key not in CONSTANTS]
        constants = {CONSTANTS[row.key]: f"{row.value:.10g}" for row in rows if row.key in CONSTANTS}
        params = [Param(key, value) for key, value in constants.items()]
        self._client.log_batch(self._run_id, metrics=metrics, params=params)

    def _log_params(self, rows: list[JournalRecord]) -> None:
        from mlflow.entities import Param

        self._client.log_batch(self._run_id, params=[Param(row.key, row.body["value"][:LONGEST_PARAM]) for row in rows])

    def _log_tags(self, rows: list[JournalRecord]) -> None:
        from mlflow.entities import RunTag

        self._client.log_batch(self._run_id, tags=[RunTag(*self._tag(row)) for row in rows])

    def _tag(self, row: JournalRecord) -> tuple[str, str]:
        if row.key != PARENT:
            return row.key, row.body["value"][:LONGEST_TAG]
        # A journal names a parent by its wb.run; the parent has an id in the store only after its own journal was sent.
        experiment = self._client.get_experiment_by_name(self._experiment)
        parent = experiment and run_by_tag(self._client, experiment.experiment_id, "wb.run", row.body["value"])
        if not parent:
            raise TrackingError(f"the parent run {row.body['value']!r} is not in the store yet")
        return PARENT_ID, parent

    def _send_one(self, kind: str, log: Callable[[JournalRecord], None]) -> int:
        """Send the oldest record of a kind; one whose file no longer exists is refused."""
        rows = self._journal.unsent_records(kind, 1)
        for row in rows:
            if "file" in row.body and not self._file(row).is_file():
                self._journal.refuse(row.id, f"{self._file(row)} no longer exists")
                continue
            try:
                log(row)
            except Refused as error:
                self._journal.refuse(row.id, str(error))
                continue
            fault_point("records sent")
            self._journal.acknowledge(records=[row.id])
            fault_point("records acknowledged")
        return len(rows)

    def _log_dataset(self, row: JournalRecord) -> None:
        with mlflow_errors("sending the data set"):
            from mlflow.entities import Dataset, DatasetInput, InputTag

            digest = row.body["digest"][:LONGEST_DIGEST]
            entry = Dataset(name=row.body["name"], digest=digest, source_type="local", source=row.body["source"])
            context = InputTag("mlflow.data.context", row.key)
            self._client.log_inputs(self._run_id, datasets=[DatasetInput(entry, [context])])

    def _log_image(self, row: JournalRecord) -> None:
        """Send an image under a name like those of `MlflowClient.log_image`, so that the UI shows it by step; the same name each time."""
        with mlflow_errors(f"sending the image {row.key}"), tempfile.TemporaryDirectory() as folder:
            from PIL import Image

            unique = uuid.uuid5(uuid.NAMESPACE_OID, f"{self._journal.run} {row.key} {row.step}")
            name = f"{row.key.replace('/', '~')}+step+{row.step}+timestamp+{row.at}+{unique}"
            whole, small = Path(folder) / f"{name}.png", Path(folder) / f"{name}+compressed.webp"
            shutil.copyfile(self._file(row), whole)
            with Image.open(whole) as image:
                thumbnail = image.convert("RGB")
                thumbnail.thumbnail((THUMBNAIL, THUMBNAIL))
                thumbnail.save(small)
            for path in (whole, small):
                self._client.log_artifact(self._run_id, str(path), "images")
            self._client.set_tag(self._run_id, _LOGGED_IMAGES, True)

    def _log_artifact(self, row: JournalRecord) -> None:
        path = self._file(row)
        with mlflow_errors(f"sending {path.name}"):
            self._client.log_artifact(self._run_id, str(path), row.body["folder"] or None)

    def _log_status(self, row: JournalRecord) -> None:
        with mlflow_errors("ending the run"):
            self._client.set_terminated(self._run_id, status=row.body["status"])

    def _file(self, row: JournalRecord) -> Path:
        return file_of(self._journal, row.body["file"])
