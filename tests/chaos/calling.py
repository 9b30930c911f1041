"""Calls `wb` in this process: exit code, output, time, memory, and the files it wrote."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.cli import main

MIB = 1 << 20


@dataclass(frozen=True)
class CallResult:
    """The result of a call. `traceback` is that of an uncaught exception."""

    code: int
    out: str
    errors: str
    traceback: str
    seconds: float
    cpu: float  # CPU seconds of this process, which do not depend on the load of the machine
    grown: int  # bytes by which the peak of memory exceeds its use before

    @property
    def located(self) -> bool:
        """True if an error message starts with a location."""
        return bool(re.match(r"\S[^\n]*:\s+\S", self.errors))


def called(arguments: Sequence[str]) -> CallResult:
    """Call `wb ARGUMENTS...` with strict UTF-8 streams."""
    out, errors = (io.TextIOWrapper(io.BytesIO(), "utf-8", kind, write_through=True) for kind in ("strict", "backslashreplace"))
    before_argv, sys.argv = sys.argv, ["wb", *arguments]
    uncaught, code = "", 0
    _reset_peak()
    before, started, computed = _resident(), time.perf_counter(), time.process_time()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            main()
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 0 if ending.code is None else 1
    except BaseException:  # a user would have seen its traceback
        uncaught, code = traceback.format_exc(), 1
    finally:
        sys.argv = before_argv
    seconds, cpu = time.perf_counter() - started, time.process_time() - computed
    texts = [stream.buffer.getvalue().decode() for stream in (out, errors)]  # type: ignore[attr-defined]
    return CallResult(code, *texts, uncaught, seconds, cpu, max(0, _peak() - before))


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder under a folder, with its size and time of change."""
    entries = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            state = os.lstat(os.path.join(parent, name))  # noqa: PTH118 - thousands of times
            entries[os.path.relpath(os.path.join(parent, name), folder)] = (state.st_size, state.st_mtime_ns)  # noqa: PTH118
    return entries


def changes(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> list[str]:
    """The names that were created, deleted or written."""
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


@contextlib.contextmanager
def working_in(folder: Path, home: Path) -> Iterator[None]:
    """A context with `folder` as the working directory and `home` as WB_HOME."""
    before, variables = Path.cwd(), dict(os.environ)
    os.environ.update(WB_HOME=str(home), XDG_CACHE_HOME=str(home / "cache"), HOME=str(home), COLUMNS="120")
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(variables)


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def _resident() -> int:
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _reset_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
