"""The command, as a process of its own."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def wb():
    """`wb`: what it said, once it has ended with `code` and without a traceback."""
    return run


def run(*words, code=0, **environ):
    done = subprocess.run(
        [sys.executable, "-c", "from workbench.cli import main; main()", *map(str, words)],
        capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **environ},
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    return done
