"""URLs of SQLite files name the file that was meant."""

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from workbench.sqlite import absolute_url, sqlite_path, sqlite_url

NAMES = ["plain", "a b", "50%off", "my%20project", "what?", "c#1", "{x}", "a@b:c", "q'\"s", "back\\slash", "données 猫"]


@pytest.mark.parametrize("name", NAMES)
def test_a_url_opens_the_file_that_it_was_made_from(tmp_path, name):
    path = tmp_path / name / "x.db"
    path.parent.mkdir()
    engine = sa.create_engine(sqlite_url(path))
    with engine.begin() as connection:
        connection.execute(sa.text("create table t (x integer)"))
    engine.dispose()
    assert [path.name for path in tmp_path.rglob("*")] == [name, "x.db"]
    assert sqlite3.connect(path).execute("select name from sqlite_master").fetchall() == [("t",)]
    assert sqlite_path(sqlite_url(path)) == path


def test_plain_paths_give_the_url_of_the_usual_form():
    assert sqlite_url(Path("/tmp/a b/x.db")) == "sqlite:////tmp/a b/x.db"


@pytest.mark.parametrize(
    "url", ["http://host", "postgresql://h/d", "sqlite://", "sqlite:///:memory:", "sqlite:///file:x?uri=true"]
)
def test_what_is_not_a_sqlite_file_has_no_path(url):
    assert sqlite_path(url) is None
    assert absolute_url(url) == url


def test_a_relative_file_is_resolved_against_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute_url("sqlite:///x.db?timeout=9") == f"sqlite:///{tmp_path}/x.db?timeout=9"
    assert absolute_url("sqlite:////elsewhere/x.db") == "sqlite:////elsewhere/x.db"
