"""Sending the unsent records of runs and sweeps, also of runs that were not tracked."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from workbench.journal import Journal
from workbench.recipe import load_stored
from workbench.runs.folder import RunFolder
from workbench.runs.tracking.description import describe_from_folder
from workbench.runs.tracking.store import note_store, resolve_store, store_of_run
from workbench.tracking import count_left, send_pending


class JournalFolder(Protocol):
    """The folder of a run or a sweep."""

    @property
    def path(self) -> Path: ...
    @property
    def recipe(self) -> Path: ...
    def journal(self) -> Journal: ...


@dataclass(frozen=True)
class SyncResult:
    """The numbers of records that arrived and did not arrive yet, and (kind, key, reason) of those that the store refuses."""

    sent: int
    unsent: int
    refused: tuple[tuple[str, str, str], ...]

    @property
    def left(self) -> int:
        """The number of records that did not arrive."""
        return self.unsent + len(self.refused)


def has_unsent(folder: JournalFolder) -> bool:
    """True if a run or sweep that is, or once was, tracked has records that did not arrive."""
    if not (folder.path / "journal.sqlite").exists():
        return False
    with closing(folder.journal()) as journal:
        return journal.meta("uri") is not None and count_left(journal) > 0


def sync_folder(folder: JournalFolder, option: str | None, experiment: str | None, home: Path, *, named: bool) -> SyncResult:
    """Send the records of a run or sweep to its store, or to the one at `option`, under its experiment or the one given.

    If the user `named` the run, untracked records are sent too: the run itself and its evaluations.
    Raises WorkbenchError if the store cannot be used.
    """
    recipe = load_stored(folder.recipe, None)
    with closing(folder.journal()) as journal:
        if isinstance(folder, RunFolder):
            uri = store_of_run(folder, journal, option, recipe.tracking.uri, home)
            describe_from_folder(folder, recipe, journal)
        else:
            uri = resolve_store(journal.meta("uri"), option, recipe.tracking.uri, home)
        runs = [journal, *(child for child in journal.children() if named or child.meta("uri") is not None)]
        for run in runs:
            note_store(run, uri, home)
        if experiment not in (None, journal.meta("experiment")):
            journal.set_meta(experiment=experiment)
            for run in runs:
                run.forget_sending()
        if not isinstance(folder, RunFolder) or folder.status() != "RUNNING":
            for run in runs:
                run.retry_refused()
        sent = send_pending(journal, uri, journal.meta("experiment") or recipe.tracking.experiment, home)
        return SyncResult(sent, sum(run.unsent() for run in runs), tuple(row for run in runs for row in run.refused()))
