"""Recipes with a search in them."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.fork_server import run_wb
from workbench.recipe import load
from workbench.sweep.ledger import Ledger
from workbench.sweep.objectives import search_targets
from workbench.sweep.opening import LOCAL_SECONDS
from workbench.sweep.space import axes_of
from workbench.sweep.study import Search
from workbench.sweep.trial_queue import TrialQueue

TINY = (Path(__file__).parents[1] / "tiny.toml").read_text()
SWEEP = """
[sweep]
metric = "val/loss"
pruner = "none"
confirm = 0
"""
SPACE = '[sweep.space]\n"train.learning_rate" = { low = 1e-5, high = 1e-2, log = true }\n'


@pytest.fixture
def write(tmp_path):
    """Writes a recipe: the tiny one, with more lines of [sweep], and a space."""

    def written(sweep="", space=SPACE, base=TINY + SWEEP, name="tiny.toml"):
        path = tmp_path / name
        path.write_text(base + textwrap.dedent(sweep) + textwrap.dedent(space))
        return path

    return written


@pytest.fixture
def wb(tmp_path):
    """Runs a command in a home of its own, in a fork of a process that has imported all, or in a new process."""

    def run(*words, check=True, env=None, fork=True):
        environ = {**os.environ, "NO_COLOR": "1", "WB_HOME": str(tmp_path / "home"), **(env or {})}
        command = [sys.executable, "-m", "workbench", *map(str, words)]
        done = (
            run_wb(words, environ) if fork else subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def summary(wb):
    """The document of `wb sweep show --json`."""
    return lambda name="tiny": json.loads(wb("sweep", "show", name, "--json").stdout)


@pytest.fixture
def make_queue(write, tmp_path):
    """Makes desks on one database, as processes that come one after another do."""
    recipe = load(write())
    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    to_close = []

    def opened(total=4, seconds=LOCAL_SECONDS, after_first=False):
        ledger = Ledger(url, "tiny", seconds)
        search = Search(url, "tiny", recipe, axes_of(recipe), search_targets(recipe), 1)
        queue = TrialQueue(ledger, search, total, after_first=after_first)
        queue.repair()
        queue.release_all("me")
        to_close.extend([ledger, search])
        return queue, search, ledger

    yield opened
    for resource in to_close:
        resource.close()
