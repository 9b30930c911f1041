"""What a launcher has to do."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from workbench.interfaces import Launched, Launcher, LauncherError
from workbench.testing.checking import NotApplicable, check_of, require

SECONDS = 60.0  # for a scheduler to start or end a command
QUIET = 2.0  # seconds without a sign of life after which a command has ended
VARIABLE = "WB_LAUNCHER_CHECK"
WORD = "passed on"

# Each run leaves a file of its own, which holds the variable.
WRITE = f"""
import os, sys, tempfile
os.write(tempfile.mkstemp(dir=sys.argv[1])[0], os.environ.get({VARIABLE!r}, "").encode())
"""
# Grows a file until it is ended; gives up by itself if nothing ends it.
BEAT = f"""
import sys, time
for _ in range({int(20 * SECONDS)}):
    with open(sys.argv[1], "ab") as file: file.write(b".")
    time.sleep(0.1)
"""


@check_of("launchers")
def starts(launcher: Launcher) -> None:
    """It starts a command as often as requested, with the environment, and reports that each has ended."""
    with _folder() as folder:
        runs = folder / "runs"
        runs.mkdir()
        with _launched(launcher, WRITE, runs, {VARIABLE: WORD}, 2, folder / "logs") as launched:
            require(len(launched) == 2, f"2 commands were requested, and {len(launched)} were returned")
            names = [command.name for command in launched]
            require(len(set(names)) == 2, f"both commands have the name {names[0]!r}")
            ended = _wait(lambda: all(command.ended() for command in launched))
        require(ended, f"ended() is still False {SECONDS:g} s after the start of a command that ends at once")
        texts = [path.read_text() for path in runs.iterdir()]
        require(len(texts) == 2, f"the command ran {len(texts)} times instead of 2 in {folder} (TMPDIR must be on all machines)")
        require(texts == [WORD, WORD], "a command did not get the environment that was passed")


@check_of("launchers")
def stops(launcher: Launcher) -> None:
    """A stopped command ends, and stopping it again does nothing."""
    with _folder() as folder:
        beats = folder / "beats"
        with _launched(launcher, BEAT, beats, {}, 1, folder / "logs") as launched:
            require(len(launched) == 1, f"1 command was requested, and {len(launched)} were returned")
            (command,) = launched
            if not _wait(beats.exists):
                raise NotApplicable(f"the scheduler did not start the command within {SECONDS:g} s")
            require(not command.ended(), "ended() is True while the command runs")
            command.stop()
            require(_wait(command.ended), f"ended() is still False {SECONDS:g} s after stop()")
            require(_wait(lambda: _is_quiet(beats)), "the command still runs after stop()")
            command.stop()


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wb-launcher-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextmanager
def _launched(
    launcher: Launcher, code: str, target: Path, environment: Mapping[str, str], count: int, logs: Path
) -> Iterator[Sequence[Launched]]:
    """Commands that run `code` on `target`; they are stopped when the block is left."""
    try:
        launched = launcher.launch([sys.executable, "-c", code, str(target)], environment, count, logs)
    except LauncherError as error:
        raise NotApplicable(f"nothing can be launched here: {error}") from error
    try:
        yield launched
    finally:
        for command in launched:
            command.stop()


def _wait(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _is_quiet(path: Path) -> bool:
    size = path.stat().st_size
    time.sleep(QUIET)
    return path.stat().st_size == size


LAUNCHER_CHECKS = (starts, stops)
