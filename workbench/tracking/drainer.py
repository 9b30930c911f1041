"""Sending in the background: a thread for which the run never waits."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

from workbench.errors import TrackingError, WorkbenchError
from workbench.files import exclusive_lock
from workbench.journal import Journal
from workbench.tracking.delivery import Delivery, count_unsent

LOCK = "sending.lock"
EVERY_SECONDS = 5.0
POLL_SECONDS = 0.2
LONGEST_WAIT = 60.0


class Drainer:
    """Sends a journal to a store until it is closed. While the store is unreachable it tries again, after longer and longer pauses.

    `warn` is called once per outage, from the sending thread. Sending starts when the first numbers are in the journal, or after
    `patience` seconds. `reopen` is false for a run whose training is not resumed: its status in the store stays as it is.
    """

    def __init__(
        self,
        open_journal: Callable[[], Journal],
        uri: str,
        experiment: str,
        home: Path,
        warn: Callable[[str], None],
        patience: float = 0.0,
        *,
        reopen: bool = True,
    ) -> None:
        self._open_journal, self._warn = open_journal, warn
        self._uri = uri
        self._experiment = experiment
        self._home = home
        self._reopen = reopen
        self._closing = threading.Event()
        self._start = time.monotonic() + patience
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="sending", daemon=True)
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Send what is left, for as long as something arrives and `seconds` have not passed; the rest stays in the journal."""
        self._closing.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            journal = self._open_journal()
            with exclusive_lock(journal.path.parent / LOCK, seconds=LONGEST_WAIT):
                self._send_until_closed(journal)
        except (WorkbenchError, TimeoutError) as error:
            self._warn(f"nothing is sent to the tracking store: {error}")

    def _send_until_closed(self, journal: Journal) -> None:
        delivery = self._connect(journal)
        while time.monotonic() < self._start and not journal.position() and not self._closing.wait(POLL_SECONDS):
            pass
        while True:
            closing = self._closing.is_set()
            try:
                delivery.send()
                self._failures = 0
            except TrackingError as error:
                if closing:
                    return
                self._failures += 1
                if self._failures == 1:
                    self._warn(f"{error}; nothing is lost: what is not sent waits in the run's folder")
                delivery = self._connect(journal)
            if closing and not count_unsent(journal):
                return
            if not closing:
                self._closing.wait(self._pause())

    def _connect(self, journal: Journal) -> Delivery:
        return Delivery(journal, self._uri, self._experiment, self._home, reopen=self._reopen)

    def _pause(self) -> float:
        if not self._failures:
            return EVERY_SECONDS
        # Spread, so that many runs do not return to a server all at once.
        return min(EVERY_SECONDS * 2.0**self._failures, LONGEST_WAIT) * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret


def send_pending(journal: Journal, uri: str, experiment: str, home: Path) -> int:
    """Send a journal in this thread; how many records arrived. TrackingError if the store is unreachable or another process sends."""
    try:
        with exclusive_lock(journal.path.parent / LOCK, seconds=0.0):
            return Delivery(journal, uri, experiment, home).send()
    except TimeoutError as error:
        raise TrackingError(f"{journal.run} is being sent by {error}") from error
