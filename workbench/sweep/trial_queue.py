"""The trials of a sweep, handed out to workers and recorded: ledger and study as one.

The ledger decides what is done. If a process dies between writing to the ledger and to the study, the next process repairs the difference.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.sweep.ledger import Lease, Ledger, Row, TrialOutcome
from workbench.sweep.space import overrides
from workbench.sweep.study import Search

MAX_CRASHES = 3  # workers that may crash during a trial before it counts as failed


@dataclass(frozen=True)
class Tally:
    """The number of trials in each state."""

    total: int
    complete: int
    pruned: int  # infeasible ones included
    failed: int
    running: int
    waiting: int

    @property
    def done(self) -> int:
        """Trials that have ended, with whatever outcome."""
        return self.complete + self.pruned + self.failed

    @property
    def finished(self) -> bool:
        """True if no trial is left."""
        return self.done >= self.total


class TrialQueue:
    """Hands out each of `total` trials (on a grid at most its points) until it is done. With `after_first`, the others wait for trial 0."""

    def __init__(self, ledger: Ledger, search: Search, total: int, *, after_first: bool = False) -> None:
        self._ledger, self._search, self._after_first = ledger, search, after_first
        self.total = min(total, search.max_trials() or total)

    def repair(self) -> None:
        """Complete what a process that died left half done: trials without a row, results that Optuna did not receive."""
        with self._ledger.exclusive():
            rows = {row.number: row for row in self._ledger.rows()}
            for number in self._search.numbers():
                if number not in rows:
                    self._ledger.add(number, self._overrides(number, self._search.complete_values(number)))
            for number in self._search.open_numbers():
                row = rows.get(number)
                if row is not None and row.outcome is not None:
                    self._search.record_outcome(number, row.outcome)

    def release_all(self, owner: str) -> None:
        """Return the trials that earlier processes of this owner had leased; they have ended."""
        for row in self._ledger.rows():
            if row.state == "running" and row.owner == owner:
                self._ledger.release(row.lease, crashed=False)

    def next_trial(self, owner: str, *, new: bool = True) -> Lease | None:
        """A trial to run: one that waits, one whose lease has expired, or (if `new`) a new one; None if there is none at the moment."""
        with self._ledger.exclusive():
            rows = self._ledger.rows()
            now = self._ledger.now()
            for row in rows:
                if row.state == "waiting" or (row.state == "running" and row.expires < now):
                    lease = self._claim(row, owner)
                    if lease is not None:
                        return lease
            if not new or len(rows) >= self.total or self._waits_for_first(rows):
                return None
            number, values = self._search.next_trial()
            self._ledger.add(number, self._overrides(number, values))
            return self._ledger.claim(next(row for row in self._ledger.rows() if row.number == number), owner)

    def report(self, lease: Lease, step: int, value: float) -> bool:
        """Record an intermediate value; True if the trial should be pruned."""
        return self._search.report(lease.number, step, value)

    def finish(self, lease: Lease, outcome: TrialOutcome) -> bool:
        """Record an outcome; False if the lease was lost, and the outcome is discarded."""
        if not self._ledger.finish(lease, outcome):
            return False
        self._search.record_outcome(lease.number, outcome)
        return True

    def record_crash(self, lease: Lease, log: str, run: str) -> bool:
        """A worker crashed during a trial: the trial is handed out again, or fails after too many crashes. True if it has failed."""
        if lease.crashes >= MAX_CRASHES:
            self.finish(lease, TrialOutcome("failed", run=run, error=f"{lease.crashes + 1} workers crashed during it\n{log}"))
            return True
        self._ledger.release(lease, crashed=True)
        return False

    def release(self, lease: Lease) -> None:
        """Return a trial that was interrupted on purpose."""
        self._ledger.release(lease, crashed=False)

    def renew(self, leases: list[Lease]) -> list[Lease]:
        """Renew leases; those that were lost to other owners are returned."""
        return self._ledger.renew(leases)

    def rows(self) -> list[Row]:
        """All trials so far."""
        return self._ledger.rows()

    def tally(self, rows: list[Row] | None = None) -> Tally:
        """The counts of `rows`, or of all trials."""
        rows = self.rows() if rows is None else rows
        endings = [row.outcome.ending for row in rows if row.outcome is not None]
        states = [row.state for row in rows]
        return Tally(
            self.total,
            endings.count("complete"),
            endings.count("pruned") + endings.count("infeasible"),
            endings.count("failed"),
            states.count("running"),
            states.count("waiting"),
        )

    def _claim(self, row: Row, owner: str) -> Lease | None:
        lease = self._ledger.claim(row, owner)
        if lease is not None and lease.crashes > MAX_CRASHES:
            self.finish(lease, TrialOutcome("failed", error=f"{lease.crashes} workers were lost during it"))
            return None
        return lease

    def _waits_for_first(self, rows: list[Row]) -> bool:
        return self._after_first and bool(rows) and rows[0].state != "done"

    @staticmethod
    def _overrides(number: int, values: dict[str, object]) -> tuple[str, ...]:
        return () if number == 0 else overrides(values)  # trial 0 is exactly the recipe
