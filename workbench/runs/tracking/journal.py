"""A journal that is sent to the tracking store in the background."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.journal import Journal
from workbench.runs.tracking.store import note_store
from workbench.tracking import Drainer, Outbox, count_left, send_pending


class TrackedJournal:
    """The journal that `open_journal` opens: written through `tracker`, and sent to `experiment` of the store at `uri` until it is closed.

    Images are kept in `images`. `warn` is called once per outage of the store, from the sending thread.
    """

    def __init__(
        self,
        open_journal: Callable[[], Journal],
        images: Path,
        uri: str,
        experiment: str,
        home: Path,
        warn: Callable[[str], None],
    ) -> None:
        self.uri, self.experiment, self._home = uri, experiment, home
        self.journal = open_journal()
        note_store(self.journal, uri, home)
        self.tracker = Outbox(self.journal, images)
        self._drainer = Drainer(open_journal, uri, experiment, home, warn)

    def close(self, seconds: float) -> None:
        """Send what is left, for at most so many seconds; the rest stays in the journal."""
        self._drainer.close(seconds)
        self.journal.close()


def send_journals(journals: Iterable[Callable[[], Journal]], uri: str, experiment: str, home: Path) -> int:
    """Send several journals now, one after another; how many records did not arrive. Those that are not tracked are left out."""
    left = 0
    for open_journal in journals:
        with closing(open_journal()) as journal:
            if journal.meta("uri") is None:
                continue
            try:
                if journal.unsent():
                    send_pending(journal, uri, experiment, home)
            except WorkbenchError:
                pass  # counted
            left += count_left(journal)
    return left
