"""A run's journal: repeated numbers are kept once, and sent rows are marked."""

import json
import math
import sqlite3
from contextlib import closing

import pytest

from workbench.errors import JournalError
from workbench.journal import Journal
from workbench.runs.folder import RunFolder, create_run


@pytest.fixture
def journal(tmp_path):
    with closing(Journal(tmp_path / "journal.sqlite", "a run")) as made:
        yield made


def test_a_number_that_is_recorded_again_keeps_its_first_value(journal):
    journal.numbers_at(1, {"loss": 0.5, "norm": math.inf})
    at = journal.unsent_numbers(10)[0].at
    journal.numbers_at(1, {"loss": 0.7})
    journal.numbers_at(2, {"loss": math.nan})
    assert next((line["step"], line["metrics"]) for line in journal.lines()) == (1, {"loss": 0.5, "norm": math.inf})
    assert math.isnan(journal.lines()[1]["metrics"]["loss"])
    assert journal.unsent_numbers(10)[0].at == at
    assert journal.position() == 3


def test_floats_come_back_bit_for_bit(journal):
    values = {"a": 0.1, "b": 1e-310, "d": 1.7976931348623157e308, "e": 1 / 3}
    journal.numbers_at(0, values)
    back = journal.lines()[0]["metrics"]
    assert {key: value.hex() for key, value in back.items()} == {key: value.hex() for key, value in values.items()}


def test_an_acknowledged_record_is_sent_again_only_after_it_changes(journal):
    journal.put("tag", "a", {"value": "1"})
    journal.numbers_at(1, {"loss": 0.5})
    assert journal.unsent() == 2
    journal.acknowledge(
        numbers=[row.id for row in journal.unsent_numbers(10)], records=[row.id for row in journal.unsent_records("tag")]
    )
    journal.put("tag", "a", {"value": "1"})
    assert journal.unsent() == 0
    journal.put("tag", "a", {"value": "2"})
    assert [row.body["value"] for row in journal.unsent_records("tag")] == ["2"]


def test_an_acknowledgement_of_a_replaced_record_does_not_count(journal):
    journal.put("tag", "a", {"value": "1"})
    (sent,) = journal.unsent_records("tag")
    journal.put("tag", "a", {"value": "2"})
    journal.acknowledge(records=[sent.id])
    assert journal.unsent() == 1


def test_two_connections_see_one_journal(journal, tmp_path):
    with closing(Journal(tmp_path / "journal.sqlite", "a run")) as other:
        other.numbers_at(1, {"loss": 0.5})
        journal.numbers_at(1, {"loss": 0.9})
    assert journal.lines()[0]["metrics"] == {"loss": 0.5}


def test_a_damaged_journal_is_reported(tmp_path):
    (tmp_path / "journal.sqlite").write_bytes(b"no database at all, and long enough to be looked at" * 100)
    with pytest.raises(JournalError, match=r"is damaged.*move it away"):
        Journal(tmp_path / "journal.sqlite", "a run")


def test_a_journal_of_a_later_version_is_refused(journal, tmp_path):
    with sqlite3.connect(tmp_path / "journal.sqlite") as database:
        database.execute("update meta set value = '99' where key = 'schema'")
    with pytest.raises(JournalError, match="another version"):
        Journal(tmp_path / "journal.sqlite", "a run")


def test_numbers_of_the_time_before_journals_are_read_with_a_line_cut_off(tmp_path):
    run = create_run(tmp_path, "cars")
    whole = json.dumps({"step": 1, "metrics": {"a": 1.0}})
    (run.path / "metrics.jsonl").write_text(f"{whole}\n{whole[:-4]}")
    assert RunFolder(run.path).final() == ({"a": 1.0}, {})
    with closing(run.journal()) as journal:
        journal.numbers_at(2, {"a": 2.0}, {"a": {"samples": 3}})
    assert run.final() == ({"a": 2.0}, {"a": {"samples": 3}})
