"""Passwords in texts."""

import pytest

from workbench.secrets import conceal, has_secret, mask_password


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://me:word@host:5000/a", "http://***@host:5000/a"),
        ("http://token@host/", "http://***@host/"),
        ("postgresql+psycopg://me:wo/r@d@host/db", "postgresql+psycopg://***@host/db"),
        ("at 'http://me:wo'rd@host/' no", "at 'http://***@host/' no"),
        ("postgresql://host/db?user=me&password=word&sslmode=off", "postgresql://host/db?user=me&password=***&sslmode=off"),
        ("http://host/?api_key=word", "http://host/?api_key=***"),
        ("not Basic bWU6d29yZA==, no", "not Basic ***, no"),
        ("http://host:5000/a b@c", "http://host:5000/a b@c"),
        ("sqlite:////tmp/a@b/mlflow.db", "sqlite:////tmp/a@b/mlflow.db"),
    ],
)
def test_a_text_is_masked_and_masking_again_changes_nothing(text, expected):
    assert mask_password(text) == expected == mask_password(expected)


def test_secrets_of_the_environment_are_concealed_by_themselves_too():
    environ = {
        "MLFLOW_TRACKING_PASSWORD": "blackbird",
        "WB_SWEEP_STORAGE": "postgresql://me:gold%40finch@host/db",
        "MLFLOW_TRACKING_USERNAME": "wren",
    }
    text = conceal("port 'blackbird' of gold%40finch, gold@finch and wren", environ)
    assert text == "port '***' of ***, *** and wren"


def test_a_password_of_three_letters_is_not_searched_for():
    assert conceal("abcabc", {"MLFLOW_TRACKING_PASSWORD": "abc"}) == "abcabc"


def test_the_user_of_a_server_is_a_secret_and_that_of_a_database_is_not():
    assert not has_secret("postgresql://me@host/db")
    assert not has_secret("http://host:5000")
    assert has_secret("https://token@host")
    assert has_secret("mysql://me:word@host/db")
    assert has_secret("postgresql://host/db?password=word")


def test_masking_a_long_text_takes_no_longer_than_reading_it():
    import time

    started = time.perf_counter()
    mask_password("a" * 200_000 + "://" * 20 + "?" * 2000)
    assert time.perf_counter() - started < 5.0
