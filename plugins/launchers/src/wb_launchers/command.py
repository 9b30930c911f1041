"""Running a command inside of a scheduler's own worker process."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE = 60.0  # seconds for a worker's last checkpoint


def run(command: Sequence[str], environment: Mapping[str, str], log: str) -> int:
    """Run the command to its end. When this process is interrupted or loses its parent, the command is asked to stop."""
    parent = os.getppid()
    with Path(log).open("ab") as output:
        process = subprocess.Popen(list(command), stdout=output, stderr=output, env={**os.environ, **environment})
        try:
            while process.poll() is None and os.getppid() == parent:
                time.sleep(0.2)  # a cancelled task is interrupted between two of these
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()
        return int(process.wait())
