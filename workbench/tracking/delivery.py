"""From a run's journal to its run in MLflow: in order, acknowledged, and as often as it takes."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import TrackingError
from workbench.faults import fault_point
from workbench.journal import Journal, JournalNumber, JournalRecord
from workbench.tracking.deleted import check_active
from workbench.tracking.mlflow_tracker import BATCH, LONGEST
from workbench.tracking.outbox import file_of
from workbench.tracking.quiet import Refused, is_deletion, mlflow_errors
from workbench.tracking.store import is_same_store, open_run, run_by_tag, store_name

if TYPE_CHECKING:
    from workbench.tracking.mlflow_tracker import MlflowTracker

NUMBERS = 1000  # MLflow's limit for metrics in a request
CONSTANTS = {
    "eval/nfe": "nfe"
}  # numbers that never change within a run, and the params they become: as metrics they are flat lines
PARENT = "wb.parent"  # a tag: the wb.run of the run that this one stands under
THUMBNAIL = 256  # pixels, as MLflow's own
_LOGGED_IMAGES = "mlflow.loggedImages"


class Delivery:
    """Sends what a journal holds to the store at `uri`, in which the run is found by its tag wb.run, or made.

    Everything is sent with what was fixed when it was written down, so that sending it twice changes nothing: numbers with their
    time, pictures and files under names of their own. Only one process at a time may deliver a journal.
    """

    def __init__(self, journal: Journal, uri: str, experiment: str, home: Path) -> None:
        self._journal, self._uri, self._experiment, self._home = journal, uri, experiment, home
        self._tracker: MlflowTracker | None = None

    def send(self, stopped: Callable[[], bool] = lambda: False) -> int:
        """Send what is there; how much of it arrived. TrackingError where the store is away, with all that had arrived acknowledged."""
        if not self._journal.unsent():
            return 0
        tracker = self._connected()
        refused = self._journal.refusals()
        try:
            sent = self._send(tracker, stopped)
        except TrackingError as error:
            if is_deletion(error):
                check_active(tracker.client, self._uri, tracker.run_id)  # names what to do
            raise
        return sent - (self._journal.refusals() - refused)

    def _send(self, tracker: MlflowTracker, stopped: Callable[[], bool]) -> int:
        """Every kind of record in turn; how many were sent or refused."""
        sent = 0
        for kind, step in (
            ("param", self._texts),
            ("tag", self._texts),
            ("dataset", self._datasets),
            ("number", self._numbers),
            ("image", self._images),
            ("artifact", self._artifacts),
        ):
            while not stopped() and (count := step(tracker, kind)):
                sent += count
        # The last word: nobody should see a run that has ended and is not there yet.
        if not stopped() and self._journal.unsent() == len(self._journal.unsent_records("status")):
            sent += self._status(tracker)
        return sent

    def _connected(self) -> MlflowTracker:
        if self._tracker is None:
            known = self._journal.meta("tracking_store")
            if known is not None and not is_same_store(known, self._uri, self._home):
                self._journal.forget_sending()
            run_id = self._journal.meta("tracking_run")
            tags = {"wb.run": self._journal.run}
            tracker = open_run(self._uri, self._experiment, self._name(), self._home, run_id, tags=tags, once="wb.run")
            if run_id not in (None, tracker.run_id):  # the store no longer holds what it acknowledged
                self._journal.forget_sending()
            self._journal.set_meta(tracking_run=tracker.run_id, tracking_store=store_name(self._uri, self._home))
            self._tracker = tracker
        return self._tracker

    def _name(self) -> str:
        return self._journal.meta("name") or self._journal.run

    def _numbers(self, tracker: MlflowTracker, kind: str) -> int:
        rows = self._journal.unsent_numbers(NUMBERS)
        if rows:
            self._numbers_together(tracker, rows)
        return len(rows)

    def _numbers_together(self, tracker: MlflowTracker, rows: list[JournalNumber]) -> None:
        try:
            with mlflow_errors("sending metrics"):
                from mlflow.entities import Metric, Param

                metrics = [Metric(row.key, row.value, row.at, row.step) for row in rows if row.key not in CONSTANTS]
                constants = {CONSTANTS[row.key]: f"{row.value:.10g}" for row in rows if row.key in CONSTANTS}
                params = [Param(key, value) for key, value in constants.items()]
                tracker.client.log_batch(tracker.run_id, metrics=metrics, params=params)
        except Refused as error:
            if len(rows) == 1:
                self._journal.refuse_number(rows[0].id, str(error))
                return
            for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
                self._numbers_together(tracker, half)
            return
        fault_point("records sent")
        self._journal.acknowledge(numbers=[row.id for row in rows])
        fault_point("records acknowledged")

    def _texts(self, tracker: MlflowTracker, kind: str) -> int:
        rows = self._journal.unsent_records(kind, BATCH)
        if rows:
            self._together(tracker, kind, rows)
        return len(rows)

    def _together(self, tracker: MlflowTracker, kind: str, rows: list[JournalRecord]) -> None:
        """Send them in one request; where the store refuses it, in two, down to the one that it will never take."""
        try:
            with mlflow_errors(f"sending {kind}s"):
                self._log_texts(tracker, kind, rows)
        except Refused as error:
            if len(rows) == 1:
                self._journal.refuse(rows[0].id, str(error))
                return
            for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
                self._together(tracker, kind, half)
            return
        fault_point("records sent")
        self._journal.acknowledge(records=[row.id for row in rows])
        fault_point("records acknowledged")

    def _log_texts(self, tracker: MlflowTracker, kind: str, rows: list[JournalRecord]) -> None:
        from mlflow.entities import Param, RunTag

        if kind == "param":
            params = [Param(row.key, row.body["value"][:LONGEST]) for row in rows]
            tracker.client.log_batch(tracker.run_id, params=params)
        else:
            tags = [RunTag(*self._tag(tracker, row)) for row in rows]
            tracker.client.log_batch(tracker.run_id, tags=tags)

    def _tag(self, tracker: MlflowTracker, row: JournalRecord) -> tuple[str, str]:
        if row.key != PARENT:
            return row.key, row.body["value"][:5000]
        # A parent is known by the name it was given here; in the store it has an id only since its own journal was sent.
        parent = run_by_tag(tracker.client, self._experiment, "wb.run", row.body["value"])
        if parent is None:
            raise TrackingError(f"the run {row.body['value']!r}, under which this one stands, is not in the store yet")
        return "mlflow.parentRunId", parent

    def _datasets(self, tracker: MlflowTracker, kind: str) -> int:
        return self._each(
            kind,
            lambda row: tracker.dataset(row.body["name"], row.body["source"], row.body["digest"], row.key),
        )

    def _images(self, tracker: MlflowTracker, kind: str) -> int:
        return self._each(kind, lambda row: _send_image(tracker, self._journal.run, row, self._file(row)))

    def _artifacts(self, tracker: MlflowTracker, kind: str) -> int:
        return self._each(kind, lambda row: tracker.artifact(self._file(row), row.body["folder"]))

    def _file(self, row: JournalRecord) -> Path:
        return file_of(self._journal, row.body["file"])

    def _each(self, kind: str, send: Callable[[JournalRecord], None]) -> int:
        """Send one record; those whose file is gone can never be sent."""
        rows = self._journal.unsent_records(kind, 1)
        for row in rows:
            if "file" in row.body and not self._file(row).is_file():
                self._journal.refuse(row.id, f"{self._file(row)} is not there any more")
                continue
            try:
                send(row)
            except Refused as error:
                self._journal.refuse(row.id, str(error))
                continue
            fault_point("records sent")
            self._journal.acknowledge(records=[row.id])
            fault_point("records acknowledged")
        return len(rows)

    def _status(self, tracker: MlflowTracker) -> int:
        return self._each("status", lambda row: tracker.finish(row.body["status"]))


def _send_image(tracker: MlflowTracker, run: str, row: JournalRecord, file: Path) -> None:
    """As `MlflowClient.log_image` names pictures, so that the UI shows them by step, under a name that is the same each time."""
    with mlflow_errors(f"sending the picture {row.key}"), tempfile.TemporaryDirectory() as folder:
        from PIL import Image

        name = f"{row.key.replace('/', '~')}+step+{row.step}+timestamp+{row.at}+{uuid.uuid5(uuid.NAMESPACE_OID, f'{run} {row.key} {row.step}')}"
        whole, small = Path(folder) / f"{name}.png", Path(folder) / f"{name}+compressed.webp"
        shutil.copyfile(file, whole)
        with Image.open(whole) as image:
            shown = image.convert("RGB")
            shown.thumbnail((THUMBNAIL, THUMBNAIL))
            shown.save(small)
        for path in (whole, small):
            tracker.client.log_artifact(tracker.run_id, str(path), "images")
        tracker.client.set_tag(tracker.run_id, _LOGGED_IMAGES, True)
