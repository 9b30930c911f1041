"""Importing components in a process of their own, with a time limit: whatever they do, the answer is a sentence."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from workbench.registry.discovery import Entry

SECONDS = 30.0  # importing torch from a slow disk takes ten
LOOK_EVERY = 0.02
# sys.path is passed on, so that the child sees exactly the distributions this process sees.
CODE = """
import json, sys
path, request = json.load(sys.stdin)
sys.path[:] = path
from workbench.registry.child import main
main(json.dumps(request))
"""


@dataclass(frozen=True)
class ProbeResult:
    """How importing one component went."""

    entry: Entry
    error: str | None  # None: it is what its entry point says
    seconds: float


def probe_component(entries: Sequence[Entry], seconds: float = SECONDS) -> Iterator[ProbeResult]:
    """Import components one after another in one child process; each gets `seconds`.

    Where one ends or hangs the process, that is its finding, and another process goes on with those after it.
    """
    left = list(entries)
    while left:
        answers, ending = _child(left, seconds)
        tried = [each for each in answers if "tried" in each]
        for entry, answer in zip(left, tried, strict=False):
            yield ProbeResult(entry, answer["error"], answer["seconds"])
        left = left[len(tried) :]
        if left:
            culprit, left = left[0], left[1:]
            yield ProbeResult(culprit, f"'{culprit.name}' of {culprit.distribution} {culprit.version} {ending}", seconds)


def _child(entries: Sequence[Entry], seconds: float) -> tuple[list[dict[str, Any]], str]:
    """What the process said, and how it ended."""
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as told:
        asked.write(json.dumps([sys.path, [[entry.kind, entry.qualified] for entry in entries]]).encode())
        asked.seek(0)
        # Files, not pipes: whatever a plugin leaves running cannot keep them from being read to their end.
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", CODE], stdin=asked, stdout=said, stderr=told, start_new_session=True
        )
        try:
            in_time = _wait(process, said, seconds)
        finally:
            _kill(process)
        said.seek(0)
        answers = [json.loads(line) for line in said.read().decode().splitlines() if line.endswith("}")]
        told.seek(0)
        words = told.read().decode(errors="replace").strip().splitlines()
    if not in_time:
        return answers, f"is not imported after {seconds:g} s: it does not come to an end, or waits for something"
    code = process.returncode
    how = f"by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"with exit code {code}"
    last = f"; its last words: {words[-1][:200]}" if words else ""
    return answers, f"ends the whole process {how} while it is imported{last}"


def _wait(process: subprocess.Popen[bytes], said: IO[bytes], seconds: float) -> bool:
    """Whether the process ended by itself; the clock starts anew with every answer."""
    size, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_EVERY)
            return True
        if (now := os.fstat(said.fileno()).st_size) != size:
            size, deadline = now, time.monotonic() + seconds
    return False


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and, where groups of processes exist, what it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
