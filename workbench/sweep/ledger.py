"""The leases of trials, with fencing tokens, in a table next to Optuna's.

Every change states the token that it is based on. An owner whose lease has expired holds an old token, and changes nothing.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from workbench.errors import SweepError
from workbench.secrets import conceal

State = Literal["waiting", "running", "done"]
Ending = Literal["complete", "pruned", "infeasible", "failed"]

_TABLES = sa.MetaData()
_SWEEPS = sa.Table(
    "wb_sweeps",
    _TABLES,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("recipe", sa.Text, nullable=False),
    sa.Column("trials", sa.Integer, nullable=False),
    sa.Column("parent", sa.Text, nullable=False, default=""),  # JSON: where the sweep is recorded
)
_TRIALS = sa.Table(
    "wb_trials",
    _TABLES,
    sa.Column("sweep", sa.String(100), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("token", sa.Integer, nullable=False),
    sa.Column("deaths", sa.Integer, nullable=False),
    sa.Column("owner", sa.String(200), nullable=False),
    sa.Column("expires", sa.Float, nullable=False),
    sa.Column("overrides", sa.Text, nullable=False),  # JSON: a list, as after --set
    sa.Column("ending", sa.String(20), nullable=False),
    sa.Column("values", sa.Text, nullable=False),  # JSON: a list, in the order of the objectives
    sa.Column("run", sa.String(200), nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
)


@dataclass(frozen=True)
class SweepRecord:
    """A sweep as stored in the database."""

    digest: str
    recipe: str
    trials: int
    parent: Mapping[str, str]


@dataclass(frozen=True)
class Lease:
    """The right to run a trial, until it expires or is revoked."""

    number: int
    token: int
    crashes: int  # workers that have crashed during it
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class TrialOutcome:
    """The outcome of a trial."""

    ending: Ending
    values: tuple[float, ...] = ()
    run: str = ""
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True)
class Row:
    """A trial as stored in the ledger."""

    number: int
    state: State
    token: int
    crashes: int
    owner: str
    expires: float
    overrides: tuple[str, ...]
    outcome: TrialOutcome | None

    @property
    def lease(self) -> Lease:
        """Its current lease."""
        return Lease(self.number, self.token, self.crashes, self.overrides)


class Ledger:
    """The trials of one sweep. A lease lasts `seconds` without being renewed.

    Raises SweepError if the database cannot be reached.
    """

    def __init__(self, url: str, sweep: str, seconds: float) -> None:
        self._sweep, self.seconds = sweep, seconds
        self._engine = sa.create_engine(url, pool_pre_ping=True)
        self.shared = self._engine.dialect.name != "sqlite"
        with self.exclusive(), self._begin() as connection:
            _TABLES.create_all(connection)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def create_sweep(self, digest: str, recipe: str, trials: int) -> SweepRecord:
        """Store a new sweep, or read the existing one."""
        try:
            with self._begin() as connection:
                connection.execute(sa.insert(_SWEEPS).values(name=self._sweep, digest=digest, recipe=recipe, trials=trials))
        except IntegrityError:
            pass
        return self.read_sweep()

    def read_sweep(self) -> SweepRecord:
        """The stored sweep; SweepError if there is none."""
        with self._begin() as connection:
            row = connection.execute(sa.select(_SWEEPS).where(_SWEEPS.c.name == self._sweep)).mappings().first()
        if row is None:
            raise SweepError(
                f"there is no sweep '{self._sweep}' in this storage; start it with: wb sweep RECIPE --name {self._sweep} --storage ..."
            )
        return SweepRecord(row["digest"], row["recipe"], row["trials"], json.loads(row["parent"] or "{}"))

    def update_sweep(self, **fields: Any) -> None:
        """Change fields of the stored sweep: `trials`, `recipe`, `parent`."""
        if "parent" in fields:
            fields["parent"] = json.dumps(fields["parent"])
        with self._begin() as connection:
            connection.execute(sa.update(_SWEEPS).where(_SWEEPS.c.name == self._sweep).values(**fields))

    def rows(self) -> list[Row]:
        """All trials, in the order of their numbers."""
        with self._begin() as connection:
            rows = connection.execute(sa.select(_TRIALS).where(_TRIALS.c.sweep == self._sweep).order_by(_TRIALS.c.number))
            return [_row(row) for row in rows.mappings()]

    def add(self, number: int, overrides: Sequence[str]) -> None:
        """Store a new trial, which waits to be claimed."""
        row = {
            "state": "waiting", "token": 0, "deaths": 0, "owner": "", "expires": 0.0, "overrides": json.dumps(list(overrides)),
            "ending": "", "values": "[]", "run": "", "seconds": 0.0, "error": "",
        }  # fmt: skip
        with self._begin() as connection:
            connection.execute(sa.insert(_TRIALS).values(sweep=self._sweep, number=number, **row))

    def claim(self, row: Row, owner: str) -> Lease | None:
        """Lease a trial that waits, or whose lease has expired, which counts as a crash; None if another owner was faster."""
        crashes = row.crashes + (row.state == "running")
        free = sa.or_(_TRIALS.c.state == "waiting", sa.and_(_TRIALS.c.state == "running", _TRIALS.c.expires < self.now()))
        new = {
            "state": "running",
            "token": row.token + 1,
            "deaths": crashes,
            "owner": owner,
            "expires": self.now() + self.seconds,
        }
        return Lease(row.number, row.token + 1, crashes, row.overrides) if self._update_trial(row.lease, new, free) else None

    def renew(self, leases: Sequence[Lease]) -> list[Lease]:
        """Renew leases; return those that were lost."""
        until = {"expires": self.now() + self.seconds}
        return [lease for lease in leases if not self._update_trial(lease, until, _TRIALS.c.state == "running")]

    def release(self, lease: Lease, *, crashed: bool) -> bool:
        """Return a trial, to be resumed by the next owner."""
        new = {"state": "waiting", "deaths": lease.crashes + crashed, "owner": "", "expires": 0.0}
        return self._update_trial(lease, new, _TRIALS.c.state == "running")

    def finish(self, lease: Lease, outcome: TrialOutcome) -> bool:
        """End a trial; False if the lease was lost, and nothing changes."""
        new = {
            "state": "done", "ending": outcome.ending, "values": json.dumps(outcome.values), "run": outcome.run,
            "seconds": outcome.seconds, "error": outcome.error[-20_000:],
        }  # fmt: skip
        return self._update_trial(lease, new, _TRIALS.c.state == "running")

    def now(self) -> float:
        """Seconds by the clock that all users of the database share."""
        if not self.shared:
            return time.time()
        with self._begin() as connection:
            return float(connection.execute(sa.select(sa.extract("epoch", sa.func.clock_timestamp()))).scalar_one())

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """A lock of the sweep across machines. The file of a single machine has one coordinator, which needs no lock."""
        if not self.shared:
            yield
            return
        key = zlib.crc32(f"workbench {self._sweep}".encode())
        with self._connection() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_lock(key)))
            try:
                yield
            finally:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))

    def _update_trial(self, lease: Lease, new: Mapping[str, Any], condition: Any) -> bool:
        which = (_TRIALS.c.sweep == self._sweep, _TRIALS.c.number == lease.number, _TRIALS.c.token == lease.token, condition)
        with self._begin() as connection:
            return connection.execute(sa.update(_TRIALS).where(*which).values(**new)).rowcount == 1

    @contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        with self._connection() as connection, connection.begin():
            yield connection

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        try:
            connection = self._engine.connect()
        except sa.exc.SQLAlchemyError as error:
            reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
            raise SweepError(
                conceal(f"the storage {self._engine.url.render_as_string(hide_password=True)} cannot be reached: {reason}")
            ) from None
        with connection:
            yield connection


def _row(columns: Any) -> Row:
    outcome = None
    if columns["state"] == "done":
        outcome = TrialOutcome(
            columns["ending"], tuple(json.loads(columns["values"])), columns["run"], columns["seconds"], columns["error"]
        )
    return Row(
        columns["number"], columns["state"], columns["token"], columns["deaths"], columns["owner"], columns["expires"],
        tuple(json.loads(columns["overrides"])), outcome,
    )  # fmt: skip
