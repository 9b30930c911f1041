"""The command, as a process of its own."""

import os

import pytest

from tests.fork_server import run_wb


@pytest.fixture
def wb():
    """Run `wb`, check its exit code and that it prints no traceback; returns the finished process."""
    return run


def run(*words, code=0, **environ):
    done = run_wb(words, {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **environ})
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    return done
