"""Runs a command inside a worker process of a scheduler."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

GRACE = 60.0  # seconds for the last checkpoint of a worker


def run(command: Sequence[str], environment: Mapping[str, str], log: str) -> int:
    """Run the command to its end. If this process is interrupted or loses its parent, the command gets SIGTERM."""
    parent = os.getppid()
    with Path(log).open("ab") as output:
        process = subprocess.Popen(list(command), stdout=output, stderr=output, env={**os.environ, **environment})
        try:
            while process.poll() is None and os.getppid() == parent:
                time.sleep(0.2)  # a cancelled task is interrupted here
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(GRACE)
                except subprocess.TimeoutExpired:
                    process.kill()
        return int(process.wait())
