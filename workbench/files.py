"""Files that are either whole or not there, and are still there after the power went."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from workbench.errors import StorageError
from workbench.faults import fault_point

UNFINISHED = ".writing_"  # the beginning of every name under which something is written that is not whole yet
LONGEST_NAME = 200  # bytes, of the 255 there are: something is added to a name while the file is written
_POLL_SECONDS = 0.1
_REMEDIES = {
    errno.ENOSPC: "free some space, or set WB_HOME to a folder on another disk",
    errno.EDQUOT: "your quota is used up: free some space, or set WB_HOME to a folder on another disk",
    errno.EFBIG: "files may not become that large here (ulimit -f)",
    errno.EROFS: "set WB_HOME to a folder that can be written",
    errno.EACCES: "set WB_HOME to a folder that can be written",
    errno.EPERM: "set WB_HOME to a folder that can be written",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EISDIR: "choose the name of a file",
    errno.ENOTDIR: "choose a folder",
    errno.EEXIST: "choose a folder",
    errno.ELOOP: "choose a place without links to themselves",
}


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and disappears when it does not.

    What was written is on the disk before it gets its name, so that a name is never seen with half a file. StorageError where it cannot
    be written.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f"{UNFINISHED}{path.stem[:40]}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        beside = Path(name)
        try:
            yield beside
            beside.chmod(0o644)  # mkstemp makes files for one's own eyes only
            _sync_file(beside)
            fault_point("file written")
            beside.replace(path)
            sync_folder(path.parent)
        finally:
            beside.unlink(missing_ok=True)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what the system says of a full disk or a forbidden folder into a StorageError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise
        raise StorageError(f"{path} cannot be written: {os.strerror(error.errno)}; {_REMEDIES[error.errno]}") from error


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk: a file that was synced can still lose its name."""
    if os.name == "nt":  # folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def clear_debris(folder: Path) -> None:
    """Remove what a process left half written when it was killed. Only while nobody else writes there."""
    for path in folder.rglob(f"{UNFINISHED}*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


@contextmanager
def exclusive_lock(lock: Path, seconds: float | None = None) -> Iterator[None]:
    """Wait until no other process is in a block with this lock file: for what one may do for all of them.

    TimeoutError, which names the process that is in it, after `seconds`.
    """
    with storage_errors(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a+")
    with file:
        try:
            import fcntl
        except ImportError:  # Windows: done twice, and no harm
            yield
            return
        until = None if seconds is None else time.monotonic() + seconds
        while not _lock(file.fileno(), wait=until is None):
            if until is not None and time.monotonic() >= until:
                file.seek(0)
                raise TimeoutError(file.read(100).strip() or "another process")
            time.sleep(_POLL_SECONDS)
        with suppress(OSError):  # a full disk keeps nobody from working alone
            file.truncate(0)
            file.write(f"process {os.getpid()}")
            file.flush()
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


def is_locked(lock: Path) -> bool:
    """Whether some process is in a block with this lock file now. Looking keeps nobody out who waits a moment."""
    if not lock.exists():
        return False
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def path_inside(folder: Path, name: str) -> Path:
    """The file of that name directly in a folder; StorageError where it would lie elsewhere, or nothing can be called so."""
    plain = not any(sign in name for sign in "/\\\0") and name.isprintable() and name.strip(". ") != ""
    if not plain or len(name.encode()) > LONGEST_NAME:
        raise StorageError(f"{name!r:.80} is no name of a file in {folder}")
    return folder / name


def is_file(path: Path) -> bool:
    """Whether there is a file; no, too, where the system says that nothing can be called so (4 KB, a NUL) or it may not be looked at."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file in one move."""
    with atomic_write(path) as beside:
        beside.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text in one move."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON in one move."""
    write_text(path, json.dumps(value, indent=2, sort_keys=False, allow_nan=False) + "\n")


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lock(handle: int, *, wait: bool) -> bool:
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
