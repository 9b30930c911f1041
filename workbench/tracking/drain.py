"""Sending beside a run: a thread that never makes it wait."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

from workbench.errors import TrackingError, WorkbenchError
from workbench.files import exclusive_lock
from workbench.journal import Journal
from workbench.tracking.delivery import Delivery

LOCK = "sending.lock"
EVERY_SECONDS = 5.0
LOOK_SECONDS = 0.2
LONGEST_WAIT = 60.0


class Drainer:
    """Sends a journal to a store until it is closed, trying again for ever, after longer and longer pauses while the store is away.

    `warn` is told once of each outage, from the sending thread. It begins when the first numbers are there, or after `patience` seconds.
    """

    def __init__(
        self,
        open_journal: Callable[[], Journal],
        uri: str,
        experiment: str,
        home: Path,
        warn: Callable[[str], None],
        patience: float = 0.0,
    ) -> None:
        self._open_journal, self._uri, self._experiment, self._home, self._warn = open_journal, uri, experiment, home, warn
        self._closing = threading.Event()
        self._begins = time.monotonic() + patience
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="sending", daemon=True)
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Send what is left, for as long as something arrives and `seconds` have not passed; what has not arrived stays in the journal."""
        self._closing.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            journal = self._open_journal()
            with exclusive_lock(journal.path.parent / LOCK, seconds=LONGEST_WAIT):
                self._send_for_ever(journal)
        except (WorkbenchError, TimeoutError) as error:
            self._warn(f"nothing is sent to the tracking store: {error}")

    def _send_for_ever(self, journal: Journal) -> None:
        delivery = Delivery(journal, self._uri, self._experiment, self._home)
        while time.monotonic() < self._begins and not journal.position() and not self._closing.wait(LOOK_SECONDS):
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
                    self._warn(f"{error}; the run goes on, and what it records waits in its folder")
                delivery = Delivery(journal, self._uri, self._experiment, self._home)
            if closing and not journal.unsent():
                return
            if not closing:
                self._closing.wait(self._pause())

    def _pause(self) -> float:
        if not self._failures:
            return EVERY_SECONDS
        # Spread, so that many runs do not come back to a server all at once.
        return min(EVERY_SECONDS * 2.0**self._failures, LONGEST_WAIT) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def send_pending(journal: Journal, uri: str, experiment: str, home: Path, until: float | None = None) -> int:
    """Send a journal here and now; how many records it was. TrackingError where the store is away or somebody else is sending it.

    `until` is a time of time.monotonic(), after which the rest is left.
    """
    try:
        with exclusive_lock(journal.path.parent / LOCK, seconds=0.0):
            return Delivery(journal, uri, experiment, home).send(lambda: until is not None and time.monotonic() > until)
    except TimeoutError as error:
        raise TrackingError(f"{journal.run} is being sent by {error}") from error
