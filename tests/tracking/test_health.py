"""The health of the store is determined without creating or changing it."""

import sqlite3

import pytest

from workbench.tracking.health import store_health
from workbench.tracking.store import database, local_store


def test_a_home_without_a_store_is_sound_and_stays_without_one(tmp_path):
    health = store_health({}, tmp_path / "not" / "yet")
    assert health.sound
    assert health.description == "the first run creates it"
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_read(tmp_path):
    local_store(tmp_path)
    health = store_health({}, tmp_path)
    assert (health.sound, health.description, health.where) == (True, "0 runs", str(database(tmp_path)))


@pytest.mark.parametrize("content", [b"no database at all, but long enough for a header" * 20, b""])
def test_a_damaged_store_is_reported_with_a_remedy(tmp_path, content):
    database(tmp_path).parent.mkdir()
    database(tmp_path).write_bytes(content)
    health = store_health({}, tmp_path)
    assert not health.sound
    assert "cannot be read" in health.description
    assert "move it away, and the next run creates another" in health.description


def test_another_database_is_not_taken_for_a_store(tmp_path):
    database(tmp_path).parent.mkdir()
    connection = sqlite3.connect(database(tmp_path))
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    assert not store_health({}, tmp_path).sound


def test_a_home_that_is_not_a_folder_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    health = store_health({}, tmp_path / "file" / "home")
    assert not health.sound
    assert "set WB_HOME to a folder of yours" in health.description


def test_an_unreachable_server_is_reported_without_its_password(tmp_path):
    health = store_health({"MLFLOW_TRACKING_URI": "http://me:secret@127.0.0.1:9"}, tmp_path)
    assert not health.sound
    assert "secret" not in health.description + health.where
    assert "--no-track" in health.description
