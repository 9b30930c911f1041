"""wb cache"""

import json

import pytest
from typer.testing import CliRunner

from workbench.cli import app
from workbench.errors import StorageError
from workbench.interfaces import Resources


def wb(*words, answer=None):
    result = CliRunner().invoke(app, ["cache", *words], input=answer)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def filled(tmp_path, monkeypatch):
    """A cache with one array."""
    monkeypatch.setenv("WB_CACHE", str(tmp_path / "shared"))
    Resources(tmp_path / "shared").array("key", (1, 9), "uint8", lambda add: add(range(9)), folder="images")
    return tmp_path / "shared"


def test_the_table_and_the_json_list_the_same(filled):
    output = wb().stdout
    assert "decoded images" in output
    assert str(filled) in output
    (row,) = json.loads(wb("--json").stdout)["contents"]
    assert (row["content"], row["entries"], row["in_use"]) == ("images", 1, 0)
    assert row["bytes"] == sum(path.stat().st_size for path in (filled / "images").iterdir())


def test_clearing_asks_first(filled):
    result = wb("clear", answer="n\n")
    assert result.exit_code == 1
    assert "decoded images" in result.stdout
    assert len(list((filled / "images").iterdir())) == 2
    assert "removed 1 entry, freed 0.0 MiB" in wb("clear", answer="y\n").stdout
    assert list((filled / "images").iterdir()) == []


def test_yes_does_not_ask_and_an_empty_cache_is_stated(filled):
    assert wb("clear", "images", "--yes").exit_code == 0
    assert "nothing to remove" in wb("clear", "--yes").stdout
    assert wb().stdout == f"the cache is empty: {filled}\n"
    assert json.loads(wb("--json").stdout) == {"folder": str(filled), "contents": []}


def test_what_is_in_use_is_named_and_stays(filled):
    array, _ = Resources(filled).array("key", (1, 9), "uint8", lambda add: add(range(9)), folder="images")
    with pytest.raises(StorageError, match=r"1 entry in use, not removed:\n.*images/key\.npy"):
        wb("clear", "--yes")
    assert len(list((filled / "images").iterdir())) == 2
    assert len(array) == 1


def test_an_unknown_content_is_an_error(filled):
    with pytest.raises(StorageError, match="called 'picture'; the cache holds: images"):
        wb("clear", "picture")
