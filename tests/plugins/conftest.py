"""The command, as a process of its own."""

import os

import pytest

from tests.fork_server import run_wb


@pytest.fixture
def wb():
    """`wb`: what it said, once it has ended with `code` and without a traceback."""
    return run


def run(*words, code=0, **environ):
    done = run_wb(words, {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **environ})
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    return done
