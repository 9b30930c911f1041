"""What a run has to tell, on disk before anybody is told of it.

A database of the run's own, in its folder: numbers under (run, key, step), each with the time at which it was first said, and everything else that a
tracking store is to receive. A number that is said again, by a run that was killed and does its last steps once more, is the one that is
there already. What a store has acknowledged is marked, so that sending can stop and go on at any moment, from any process.
"""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import JournalError
from workbench.faults import fault_point

SCHEMA = 1
BUSY_SECONDS = 30.0
_TABLES = """
create table if not exists meta (key text primary key, value text not null);
create table if not exists numbers (
    id integer primary key, run text not null, key text not null, step integer not null, value real, at integer not null,
    card text, sent integer not null default 0, refused text, unique (run, key, step)
);
create table if not exists records (
    id integer primary key autoincrement, run text not null, kind text not null, key text not null, step integer not null,
    body text not null, at integer not null, sent integer not null default 0, refused text, unique (run, kind, key, step)
);
create table if not exists events (id integer primary key, at integer not null, event text not null, step integer not null);
"""


@dataclass(frozen=True)
class JournalNumber:
    """A metric at a step; `at` in milliseconds since 1970, when it was first said."""

    id: int
    key: str
    step: int
    value: float
    at: int


@dataclass(frozen=True)
class JournalRecord:
    """Anything else for a tracking store: `kind` is param, tag, dataset, image, artifact or status."""

    id: int
    kind: str
    key: str
    step: int
    body: dict[str, Any]
    at: int


class Journal:
    """The journal of run `run` in the file `path`, which is made if it is not there. One object for each thread.

    JournalError where the file is damaged or cannot be written.
    """

    def __init__(self, path: Path, run: str) -> None:
        self.path, self.run = path, run
        with self._errors():
            self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            # No write-ahead log: its shared memory does not work in folders that several machines mount.
            self._connection.execute("pragma synchronous = full")
            self._connection.execute("begin immediate")
            for statement in filter(str.strip, _TABLES.split(";")):
                self._connection.execute(statement)
            self._connection.execute("insert or ignore into meta values ('schema', ?)", [str(SCHEMA)])
            self._connection.execute("commit")
        if self.meta("schema") != str(SCHEMA):
            raise JournalError(f"{path}: written by another version of the workbench (this one reads schema {SCHEMA})")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    # What a run says

    def numbers_at(self, step: int, values: Mapping[str, float], cards: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """Write down metrics at a step; one that is there already stays as it is."""
        now = _now()
        rows = [
            (self.run, key, step, float(value), now, json.dumps(cards[key]) if cards and key in cards else None)
            for key, value in values.items()
        ]
        with self._transaction() as connection:
            connection.executemany(
                "insert or ignore into numbers (run, key, step, value, at, card) values (?, ?, ?, ?, ?, ?)", rows
            )

    def put(self, kind: str, key: str, body: Mapping[str, Any], step: int = 0) -> None:
        """Write down a record; another one under its kind, key and step takes its place, and is to be sent again."""
        self.put_all(kind, {key: body}, step)

    def put_all(self, kind: str, bodies: Mapping[str, Mapping[str, Any]], step: int = 0) -> None:
        """Several records at once, by key."""
        now = _now()
        with self._transaction() as connection:
            for key, body in bodies.items():
                text = json.dumps(body, sort_keys=True)
                known = connection.execute(
                    "select body from records where run = ? and kind = ? and key = ? and step = ?", [self.run, kind, key, step]
                ).fetchone()
                if known is None or known[0] != text:
                    connection.execute(
                        "insert or replace into records (run, kind, key, step, body, at) values (?, ?, ?, ?, ?, ?)",
                        [self.run, kind, key, step, text, now],
                    )

    def event(self, event: str, step: int) -> None:
        """Write down what happened to the run itself: that it began, went on, ended."""
        with self._transaction() as connection:
            connection.execute("insert into events (at, event, step) values (?, ?, ?)", [_now(), event, step])

    # What is read of it

    def lines(self) -> list[dict[str, Any]]:
        """The metrics in the order in which they were said, those of one moment together: step, metrics, cards."""
        found: list[dict[str, Any]] = []
        last = None
        rows = self._rows("select step, at, key, value, card from numbers where run = ? order by id", [self.run])
        for step, at, key, value, card in rows:
            if (step, at) != last:
                found.append({"step": step, "metrics": {}, "cards": {}})
                last = (step, at)
            found[-1]["metrics"][key] = math.nan if value is None else value
            if card is not None:
                found[-1]["cards"][key] = json.loads(card)
        return found

    def events(self) -> list[tuple[str, int]]:
        """(event, step), the oldest first."""
        return self._rows("select event, step from events order by id")

    def position(self) -> int:
        """How many numbers are there."""
        return int(self._rows("select count(*) from numbers where run = ?", [self.run])[0][0])

    def meta(self, key: str) -> str | None:
        """A fact about the journal."""
        found = self._rows("select value from meta where key = ?", [key])
        return str(found[0][0]) if found else None

    def set_meta(self, **values: str | None) -> None:
        """Change facts about the journal; None takes one away."""
        with self._transaction() as connection:
            for key, value in values.items():
                if value is None:
                    connection.execute("delete from meta where key = ?", [key])
                else:
                    connection.execute("insert or replace into meta values (?, ?)", [key, value])

    # What is not sent yet

    def unsent(self) -> int:
        """How many numbers and records a store has not acknowledged; those it refused for good do not count."""
        numbers, records = (
            self._rows(f"select count(*) from {table} where run = ? and sent = 0", [self.run])[0][0]  # noqa: S608 - two fixed names
            for table in ("numbers", "records")
        )
        return int(numbers) + int(records)

    def unsent_numbers(self, most: int) -> list[JournalNumber]:
        """The oldest of them."""
        rows = self._rows(
            "select id, key, step, value, at from numbers where run = ? and sent = 0 order by id limit ?", [self.run, most]
        )
        return [JournalNumber(row, key, step, math.nan if value is None else value, at) for row, key, step, value, at in rows]

    def unsent_records(self, kind: str, most: int = 1000) -> list[JournalRecord]:
        """The oldest of a kind."""
        rows = self._rows(
            "select id, kind, key, step, body, at from records where run = ? and kind = ? and sent = 0 order by id limit ?",
            [self.run, kind, most],
        )
        return [JournalRecord(row, kind, key, step, json.loads(body), at) for row, kind, key, step, body, at in rows]

    def acknowledge(self, *, numbers: list[int] | None = None, records: list[int] | None = None) -> None:
        """Mark what has arrived. A record that was replaced meanwhile has another id, and is still to be sent."""
        with self._transaction() as connection:
            connection.executemany("update numbers set sent = 1 where id = ?", [[each] for each in numbers or []])
            connection.executemany("update records set sent = 1 where id = ?", [[each] for each in records or []])

    def refuse(self, record: int, reason: str) -> None:
        """Mark a record that the store will never take."""
        with self._transaction() as connection:
            connection.execute("update records set sent = 1, refused = ? where id = ?", [reason[:500], record])

    def refuse_number(self, number: int, reason: str) -> None:
        """Mark a metric that the store will never take."""
        with self._transaction() as connection:
            connection.execute("update numbers set sent = 1, refused = ? where id = ?", [reason[:500], number])

    def refused(self) -> list[tuple[str, str, str]]:
        """(kind, key, reason) of what the store will never take."""
        return self._rows(
            "select kind, key, refused from records where run = ? and refused is not null "
            "union all select distinct 'metric', key, refused from numbers where run = ? and refused is not null",
            [self.run, self.run],
        )

    def refusals(self) -> int:
        """How many numbers and records the store will never take."""
        (count,) = self._rows(
            "select (select count(*) from numbers where run = ? and refused is not null) "
            "+ (select count(*) from records where run = ? and refused is not null)",
            [self.run, self.run],
        )[0]
        return int(count)

    def retry_refused(self) -> None:
        """What was refused is to be sent again: a file may be back, a store may take more than it did."""
        if not self.refusals():
            return
        with self._transaction() as connection:
            # The status too: a run that is opened again is RUNNING until it arrives.
            connection.execute("update records set sent = 0 where kind = 'status'")
            connection.execute("update numbers set sent = 0, refused = null where refused is not null")
            connection.execute("update records set sent = 0, refused = null where refused is not null")

    def has_record(self, kind: str) -> bool:
        """True if a record of this kind was written down, sent or not."""
        return bool(self._rows("select 1 from records where run = ? and kind = ? limit 1", [self.run, kind]))

    def forget_sending(self) -> None:
        """Everything is to be sent again: to another store."""
        with self._transaction() as connection:
            connection.execute("update numbers set sent = 0, refused = null")
            connection.execute("update records set sent = 0, refused = null")
            connection.execute("delete from meta where key = 'tracking_run'")

    def _rows(self, query: str, values: list[Any] | None = None) -> list[Any]:
        with self._errors():
            return self._connection.execute(query, values or []).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._errors():
            self._connection.execute("begin immediate")
            try:
                yield self._connection
                fault_point("journal before commit")
                self._connection.execute("commit")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("rollback")
                raise
            fault_point("journal committed")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise JournalError(_told(self.path, error)) from error
        except OSError as error:
            raise JournalError(f"{self.path} cannot be written: {error.strerror}; {_FULL}") from error
        except UnicodeEncodeError as error:  # a plugin's name for a metric, say
            raise JournalError(f"{self.path}: {error.object!r:.80} is no text") from error


_FULL = "free some space, or set WB_HOME to a folder on another disk"


def _told(path: Path, error: sqlite3.DatabaseError) -> str:
    if error.sqlite_errorname in ("SQLITE_CORRUPT", "SQLITE_NOTADB"):
        return f"{path} is damaged ({error}): move it away to go on without the numbers that were written so far"
    if error.sqlite_errorname == "SQLITE_BUSY":
        return f"{path} has been held by another process for {BUSY_SECONDS:g} seconds"
    return f"{path} cannot be written ({error}): {_FULL}"


def _now() -> int:
    return int(time.time() * 1000)
