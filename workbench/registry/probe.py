"""Importing components in a child process with a time limit: any outcome becomes a sentence."""

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

POLL_SECONDS = 0.02
# sys.path is passed on, so that the child sees the same distributions as this process.
CODE = """
import json, sys
path, request = json.load(sys.stdin)
sys.path[:] = path
from workbench.registry.child import main
main(json.dumps(request))
"""


@dataclass(frozen=True)
class ProbeResult:
    """The outcome of importing one component."""

    entry: Entry
    error: str | None  # None: it is what its entry point states
    seconds: float


def probe_component(entries: Sequence[Entry], seconds: float) -> Iterator[ProbeResult]:
    """Import components one after another in one child process, with a time limit of `seconds` for each.

    If a component ends or blocks the process, that is its result, and another process continues with the rest.
    """
    remaining = list(entries)
    while remaining:
        answers, ending = _run_child(remaining, seconds)
        outcomes = [answer for answer in answers if "tried" in answer]
        for entry, outcome in zip(remaining, outcomes, strict=False):
            yield ProbeResult(entry, outcome["error"], outcome["seconds"])
        remaining = remaining[len(outcomes) :]
        if remaining:
            culprit, remaining = remaining[0], remaining[1:]
            yield ProbeResult(culprit, f"'{culprit.name}' of {culprit.distribution} {culprit.version} {ending}", seconds)


def _run_child(entries: Sequence[Entry], seconds: float) -> tuple[list[dict[str, Any]], str]:
    """The answers of one child process, and how it ended."""
    with tempfile.TemporaryFile() as request, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        request.write(json.dumps([sys.path, [[entry.kind, entry.qualified] for entry in entries]]).encode())
        request.seek(0)
        # Files, not pipes: a process that a plugin leaves running cannot keep them from being read to their end.
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", CODE], stdin=request, stdout=output, stderr=errors, start_new_session=True
        )
        try:
            in_time = _wait(process, output, seconds)
        finally:
            _kill(process)
        output.seek(0)
        answers = [json.loads(line) for line in output.read().decode().splitlines() if line.endswith("}")]
        errors.seek(0)
        error_lines = errors.read().decode(errors="replace").strip().splitlines()
    if not in_time:
        return answers, f"is not imported after {seconds:g} s: the import does not end, or waits for something"
    code = process.returncode
    how = f"by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"with exit code {code}"
    last = f"; last line of its output: {error_lines[-1][:200]}" if error_lines else ""
    return answers, f"ends the process {how} while it is imported{last}"


def _wait(process: subprocess.Popen[bytes], output: IO[bytes], seconds: float) -> bool:
    """True if the process ended by itself; each answer starts the time limit anew."""
    size, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL_SECONDS)
            return True
        if (new_size := os.fstat(output.fileno()).st_size) != size:
            size, deadline = new_size, time.monotonic() + seconds
    return False


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and, where process groups exist, the processes that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
