"""A short sweep with killed workers; the long one is `make chaos-sweep`."""

import subprocess
import sys

import pytest


@pytest.mark.chaos
def test_no_trial_is_lost_or_done_twice_when_workers_and_coordinators_are_killed(repository):
    command = [sys.executable, str(repository / "tests" / "chaos" / "sweep.py"), "--trials", "8", "--workers", "2", "--steps", "80",
               "--kills", "3", "--coordinator-kills", "1", "--every", "3"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
