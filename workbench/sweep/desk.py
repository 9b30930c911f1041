"""Where trials are given out and results come in: ledger and study together.

The ledger is the truth of what is done. Whatever a process that died left half done between the two is put right by the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.sweep.ledger import Lease, Ledger, Row, TrialOutcome
from workbench.sweep.space import overrides
from workbench.sweep.study import Search

MAX_DEATHS = 3  # workers that may die over a trial and be followed by another


@dataclass(frozen=True)
class Tally:
    """How far a sweep is."""

    total: int
    complete: int
    pruned: int  # infeasible ones among them
    failed: int
    running: int
    waiting: int

    @property
    def done(self) -> int:
        """Trials that have ended, however."""
        return self.complete + self.pruned + self.failed

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self.done >= self.total


class Desk:
    """Gives out each of `total` trials (on a grid, as many as it has points) until it is done. `after_first`: the others wait until trial 0 is."""

    def __init__(self, ledger: Ledger, search: Search, total: int, *, after_first: bool = False) -> None:
        self._ledger, self._search, self._after_first = ledger, search, after_first
        self.total = min(total, search.most() or total)

    def settle(self) -> None:
        """Put right what a process that died has left: trials without a row, results that Optuna was not told."""
        with self._ledger.exclusive():
            rows = {row.number: row for row in self._ledger.rows()}
            for number in self._search.numbers():
                if number not in rows:
                    self._ledger.add(number, self._told(number, self._search.complete(number)))
            for number in self._search.open_numbers():
                row = rows.get(number)
                if row is not None and row.outcome is not None:
                    self._search.record_outcome(number, row.outcome)

    def free(self, owner: str) -> None:
        """Give back what earlier processes of this owner held: they are gone."""
        for row in self._ledger.rows():
            if row.state == "running" and row.owner == owner:
                self._ledger.release(row.lease, died=False)

    def next(self, owner: str, *, new: bool = True) -> Lease | None:
        """A trial to do: one given back, one whose worker is gone, or (if `new`) a new one. None where there is none now."""
        with self._ledger.exclusive():
            rows = self._ledger.rows()
            now = self._ledger.now()
            for row in rows:
                if row.state == "waiting" or (row.state == "running" and row.expires < now):
                    lease = self._taken(row, owner)
                    if lease is not None:
                        return lease
            if not new or len(rows) >= self.total or self._held_back(rows):
                return None
            number, values = self._search.next_trial()
            self._ledger.add(number, self._told(number, values))
            return self._ledger.claim(next(row for row in self._ledger.rows() if row.number == number), owner)

    def report(self, lease: Lease, step: int, value: float) -> bool:
        """An intermediate value; whether the trial should end."""
        return self._search.report(lease.number, step, value)

    def finish(self, lease: Lease, outcome: TrialOutcome) -> bool:
        """A result; False where the lease had been lost, and the result with it."""
        if not self._ledger.finish(lease, outcome):
            return False
        self._search.record_outcome(lease.number, outcome)
        return True

    def lost_worker(self, lease: Lease, log: str, run: str) -> bool:
        """A worker has died over a trial: the next one goes on with it, or, after too many, it has failed. Whether it has."""
        if lease.deaths >= MAX_DEATHS:
            self.finish(lease, TrialOutcome("failed", run=run, error=f"{lease.deaths + 1} workers died over it\n{log}"))
            return True
        self._ledger.release(lease, died=True)
        return False

    def give_back(self, lease: Lease) -> None:
        """A trial that was interrupted on purpose."""
        self._ledger.release(lease, died=False)

    def renew(self, leases: list[Lease]) -> list[Lease]:
        """Say that these are being worked on; those that somebody else has taken come back."""
        return self._ledger.renew(leases)

    def rows(self) -> list[Row]:
        """All trials there are."""
        return self._ledger.rows()

    def tally(self, rows: list[Row] | None = None) -> Tally:
        """Counts."""
        rows = self.rows() if rows is None else rows
        endings = [row.outcome.ending for row in rows if row.outcome is not None]
        pruned = endings.count("pruned") + endings.count("infeasible")
        states = [row.state for row in rows]
        return Tally(
            self.total,
            endings.count("complete"),
            pruned,
            endings.count("failed"),
            states.count("running"),
            states.count("waiting"),
        )

    def _taken(self, row: Row, owner: str) -> Lease | None:
        lease = self._ledger.claim(row, owner)
        if lease is not None and lease.deaths > MAX_DEATHS:
            self.finish(lease, TrialOutcome("failed", error=f"{lease.deaths} workers were lost over it"))
            return None
        return lease

    def _held_back(self, rows: list[Row]) -> bool:
        return self._after_first and bool(rows) and rows[0].state != "done"

    @staticmethod
    def _told(number: int, values: dict[str, object]) -> tuple[str, ...]:
        return () if number == 0 else overrides(values)  # trial 0 is the recipe, to the letter
