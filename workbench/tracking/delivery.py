"""From a journal to MLflow: in order, acknowledged, and as often as needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from workbench.errors import TrackingError
from workbench.journal import Journal
from workbench.tracking.children import open_child
from workbench.tracking.deletion import check_active
from workbench.tracking.mlflow_errors import is_deletion, mlflow_errors
from workbench.tracking.records import RecordSender
from workbench.tracking.store import EVALUATION, is_same_store, open_run, store_name
from workbench.tracking.store_run import StoreRun

CHILD = "wb.evaluation"  # a tag: the name of a child run in its journal


def recorded_runs(journal: Journal) -> Iterator[Journal]:
    """The run of a journal, and those of its child runs that are to be recorded in the store."""
    yield journal
    yield from (child for child in journal.children() if child.meta("uri") is not None)


def count_unsent(journal: Journal) -> int:
    """The number of records of a journal, child runs included, that the store has not acknowledged."""
    return sum(run.unsent() for run in recorded_runs(journal))


def count_left(journal: Journal) -> int:
    """The number of records of a journal, child runs included, that did not arrive: not acknowledged, or refused for good."""
    return sum(run.unsent() + run.refusals() for run in recorded_runs(journal))


class Delivery:
    """Sends the records of a journal to the store at `uri`, its run first and then the child runs. A run is found there by its tags, or created.

    Every record is sent with what was fixed when it was written down, so that sending it twice changes nothing: numbers with their
    time, images and files under names of their own. Only one process at a time may deliver a journal.
    With `reopen`, a run that has ended in the store is set to RUNNING first: its training has been resumed.
    """

    def __init__(self, journal: Journal, uri: str, experiment: str, home: Path, *, reopen: bool = False) -> None:
        self._journal = journal
        self._uri = uri
        self._experiment = experiment
        self._home = home
        self._reopen = reopen
        self._opened: dict[str, StoreRun] = {}

    def send(self) -> int:
        """Send everything unsent; how many records arrived. TrackingError if the store is unreachable; what arrived is acknowledged."""
        return sum(self._send_run(run) for run in recorded_runs(self._journal) if run.unsent())

    def _send_run(self, journal: Journal) -> int:
        run = self._open(journal)
        refused = journal.refusals()
        try:
            sent = RecordSender(journal, run, self._experiment).send()
        except TrackingError as error:
            if is_deletion(error):
                check_active(run.client, self._uri, run.run_id)  # raises an error that names the remedy
            raise
        return sent - (journal.refusals() - refused)

    def _open(self, journal: Journal) -> StoreRun:
        if journal.run not in self._opened:
            store = journal.meta("tracking_store")
            if store is not None and not is_same_store(store, self._uri, self._home):
                journal.forget_sending()
            run_id = journal.meta("tracking_run")
            run = self._open_own(run_id) if journal.parent is None else self._open_child(journal, run_id)
            if run_id not in (None, run.run_id):  # the store no longer holds what it acknowledged
                journal.forget_sending()
            journal.set_meta(tracking_run=run.run_id, tracking_store=store_name(self._uri, self._home))
            self._opened[journal.run] = run
        return self._opened[journal.run]

    def _open_own(self, run_id: str | None) -> StoreRun:
        journal = self._journal
        tags = {"wb.run": journal.run}
        name = journal.meta("name") or journal.run
        run = open_run(self._uri, self._experiment, name, self._home, run_id, tags=tags, once="wb.run")
        if self._reopen:
            with mlflow_errors(f"opening run {name}"):
                run.client.update_run(run.run_id, status="RUNNING")
        return run

    def _open_child(self, child: Journal, run_id: str | None) -> StoreRun:
        tags = {CHILD: child.run, "wb.run": self._journal.run, "wb.kind": EVALUATION}
        return open_child(self._open(self._journal), self._uri, child.meta("name") or child.run, tags, CHILD, run_id)
