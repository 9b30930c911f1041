"""Write-ahead journal: metrics are durable locally before they are sent.

A database in the folder of each run. It holds numbers under (run, key, step), each with the time of its first record, and everything else
that a tracking store should receive. A number that is recorded again, by a run that was killed and repeats its last steps, keeps its first
value. Rows that a store has acknowledged are marked, so that sending can stop and resume at any time, from any process.
"""

from __future__ import annotations

import contextlib
import copy
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
    """A metric at a step; `at` is the time of the first record, in milliseconds since 1970."""

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
    """The journal of run `run` in the file `path`, which is created if it does not exist. One object for each thread.

    Raises JournalError if the file is damaged or cannot be written.
    """

    def __init__(self, path: Path, run: str) -> None:
        self.path, self.run = path, run
        self.parent: str | None = None
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
        """Close the file."""
        self._connection.close()

    def child(self, name: str) -> Journal:
        """The part of this file that belongs to a child run. It has its own facts and the same connection: close this journal only."""
        child = copy.copy(self)
        child.run, child.parent = f"{self.run}/{name}", self.run
        return child

    def children(self) -> list[Journal]:
        """The child runs that have records."""
        rows = self._rows("select distinct run from records where run != ? order by run", [self.run])
        prefix = f"{self.run}/"
        return [self.child(run.removeprefix(prefix)) for (run,) in rows if run.startswith(prefix)]

    # Writing

    def numbers_at(self, step: int, values: Mapping[str, float], cards: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """Record metrics at a step; existing values are kept."""
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
        """Record anything else; a different record with its kind, key and step is replaced and sent again."""
        self.put_all(kind, {key: body}, step)

    def put_all(self, kind: str, bodies: Mapping[str, Mapping[str, Any]], step: int = 0) -> None:
        """Record several values at once, by key."""
        now = _now()
        with self._transaction() as connection:
            for key, body in bodies.items():
                text = json.dumps(body, sort_keys=True)
                existing = connection.execute(
                    "select body from records where run = ? and kind = ? and key = ? and step = ?", [self.run, kind, key, step]
                ).fetchone()
                if existing is None or existing[0] != text:
                    connection.execute(
                        "insert or replace into records (run, kind, key, step, body, at) values (?, ?, ?, ?, ?, ?)",
                        [self.run, kind, key, step, text, now],
                    )

    def event(self, event: str, step: int) -> None:
        """Record an event of the run itself: started, resumed, ended."""
        with self._transaction() as connection:
            connection.execute("insert into events (at, event, step) values (?, ?, ?)", [_now(), event, step])

    # Reading

    def lines(self) -> list[dict[str, Any]]:
        """The metrics in the order of recording, one entry for each step and time: step, metrics, cards."""
        lines: list[dict[str, Any]] = []
        last = None
        rows = self._rows("select step, at, key, value, card from numbers where run = ? order by id", [self.run])
        for step, at, key, value, card in rows:
            if (step, at) != last:
                lines.append({"step": step, "metrics": {}, "cards": {}})
                last = (step, at)
            lines[-1]["metrics"][key] = math.nan if value is None else value
            if card is not None:
                lines[-1]["cards"][key] = json.loads(card)
        return lines

    def events(self) -> list[tuple[str, int]]:
        """Pairs (event, step), the oldest first."""
        return self._rows("select event, step from events order by id")

    def position(self) -> int:
        """The number of recorded metrics."""
        return int(self._rows("select count(*) from numbers where run = ?", [self.run])[0][0])

    def meta(self, key: str) -> str | None:
        """A fact about the journal."""
        rows = self._rows("select value from meta where key = ?", [self._fact(key)])
        return str(rows[0][0]) if rows else None

    def set_meta(self, **values: str | None) -> None:
        """Change facts about the journal; None removes one."""
        with self._transaction() as connection:
            for key, value in values.items():
                if value is None:
                    connection.execute("delete from meta where key = ?", [self._fact(key)])
                else:
                    connection.execute("insert or replace into meta values (?, ?)", [self._fact(key), value])

    def _fact(self, key: str) -> str:
        """The key of a fact in the file: those of the run itself have no prefix."""
        return key if self.parent is None else f"{self.run} {key}"

    # Sending

    def unsent(self) -> int:
        """The number of metrics and records that a store has neither acknowledged nor finally refused."""
        numbers, records = (
            self._rows(f"select count(*) from {table} where run = ? and sent = 0", [self.run])[0][0]  # noqa: S608 - two fixed names
            for table in ("numbers", "records")
        )
        return int(numbers) + int(records)

    def unsent_numbers(self, most: int) -> list[JournalNumber]:
        """The oldest unsent metrics, at most `most`."""
        rows = self._rows(
            "select id, key, step, value, at from numbers where run = ? and sent = 0 order by id limit ?", [self.run, most]
        )
        return [JournalNumber(row, key, step, math.nan if value is None else value, at) for row, key, step, value, at in rows]

    def unsent_records(self, kind: str, most: int = 1000) -> list[JournalRecord]:
        """The oldest unsent records of a kind, at most `most`."""
        rows = self._rows(
            "select id, kind, key, step, body, at from records where run = ? and kind = ? and sent = 0 order by id limit ?",
            [self.run, kind, most],
        )
        return [JournalRecord(row, kind, key, step, json.loads(body), at) for row, kind, key, step, body, at in rows]

    def acknowledge(self, *, numbers: list[int] | None = None, records: list[int] | None = None) -> None:
        """Mark rows as sent. A record that was replaced meanwhile has another id, and remains unsent."""
        with self._transaction() as connection:
            connection.executemany("update numbers set sent = 1 where id = ?", [[number] for number in numbers or []])
            connection.executemany("update records set sent = 1 where id = ?", [[record] for record in records or []])

    def refuse(self, record: int, reason: str) -> None:
        """Mark a record as finally refused by the store."""
        with self._transaction() as connection:
            connection.execute("update records set sent = 1, refused = ? where id = ?", [reason[:500], record])

    def refuse_number(self, number: int, reason: str) -> None:
        """Mark a metric as finally refused by the store."""
        with self._transaction() as connection:
            connection.execute("update numbers set sent = 1, refused = ? where id = ?", [reason[:500], number])

    def refused(self) -> list[tuple[str, str, str]]:
        """Triples (kind, key, reason) of refused rows."""
        return self._rows(
            "select kind, key, refused from records where run = ? and refused is not null "
            "union all select distinct 'metric', key, refused from numbers where run = ? and refused is not null",
            [self.run, self.run],
        )

    def refusals(self) -> int:
        """The number of refused metrics and records."""
        (count,) = self._rows(
            "select (select count(*) from numbers where run = ? and refused is not null) "
            "+ (select count(*) from records where run = ? and refused is not null)",
            [self.run, self.run],
        )[0]
        return int(count)

    def retry_refused(self) -> None:
        """Mark refused rows as unsent: a file may be back, or the store may accept more than it did."""
        if not self.refusals():
            return
        with self._transaction() as connection:
            # The status too: a run that is opened again is RUNNING until its status is sent.
            connection.execute("update records set sent = 0 where run = ? and kind = 'status'", [self.run])
            connection.execute("update numbers set sent = 0, refused = null where run = ? and refused is not null", [self.run])
            connection.execute("update records set sent = 0, refused = null where run = ? and refused is not null", [self.run])

    def has_record(self, kind: str) -> bool:
        """True if a record of this kind exists, sent or not."""
        return bool(self._rows("select 1 from records where run = ? and kind = ? limit 1", [self.run, kind]))

    def forget_sending(self) -> None:
        """Mark all records of this run as unsent: they will go to another store."""
        with self._transaction() as connection:
            connection.execute("update numbers set sent = 0, refused = null where run = ?", [self.run])
            connection.execute("update records set sent = 0, refused = null where run = ?", [self.run])
            connection.execute("delete from meta where key = ?", [self._fact("tracking_run")])

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
            raise JournalError(_describe(self.path, error)) from error
        except OSError as error:
            raise JournalError(f"{self.path} cannot be written: {error.strerror}; {_FULL}") from error
        except UnicodeEncodeError as error:  # e.g. a plugin's name for a metric
            raise JournalError(f"{self.path}: {error.object!r:.80} is not text") from error


_FULL = "free some space, or set WB_HOME to a folder on another disk"


def _describe(path: Path, error: sqlite3.DatabaseError) -> str:
    if error.sqlite_errorname in ("SQLITE_CORRUPT", "SQLITE_NOTADB"):
        return f"{path} is damaged ({error}): move it away to continue without the numbers recorded so far"
    if error.sqlite_errorname == "SQLITE_BUSY":
        return f"{path} has been locked by another process for {BUSY_SECONDS:g} seconds"
    return f"{path} cannot be written ({error}): {_FULL}"


def _now() -> int:
    return int(time.time() * 1000)
