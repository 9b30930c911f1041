"""Runs that a sweep still needs."""

from __future__ import annotations

import re

from workbench.errors import SweepError, WorkbenchError
from workbench.runs import RunFolder
from workbench.sweep.confirmation import read_confirmation
from workbench.sweep.folder import SweepFolder
from workbench.sweep.ledger import Ledger
from workbench.sweep.objectives import search_targets
from workbench.sweep.trial_recipe import settings_of

TRIAL = re.compile(r"(?P<sweep>.+)-t\d{4,}")  # ids as `run_id` makes them


def check_not_needed(run: RunFolder) -> None:
    """Raise SweepError if a run is a trial of a sweep that is not finished: trials or the confirmation are missing.

    A sweep whose trials cannot be read (they are in another machine's storage) counts as not finished.
    """
    match = TRIAL.fullmatch(run.id)
    if match is None:
        return
    sweep = SweepFolder(run.home / "sweeps" / match["sweep"])
    if sweep.exists() and not _is_finished(sweep):
        raise SweepError(
            f"run {run.id} is a trial of the sweep '{sweep.name}', which is not finished: finish it with wb sweep, "
            f"or delete {sweep.path} first"
        )


def _is_finished(sweep: SweepFolder) -> bool:
    try:
        if sweep.info()["storage"] is not None:
            return False
        recipe = sweep.loaded()
        ledger = Ledger(sweep.database, sweep.name, 1.0)
        try:
            rows, trials = ledger.rows(), ledger.read_sweep().trials
        finally:
            ledger.close()
    except WorkbenchError:
        return False
    if len(rows) < trials or any(row.outcome is None for row in rows):
        return False
    targets = search_targets(recipe)
    confirms = settings_of(recipe).confirm > 0 and len(targets) == 1 and targets[0].is_of_images
    return not confirms or read_confirmation(sweep) is not None
