"""Files that are complete or absent, also after a power failure."""

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

UNFINISHED = ".writing_"  # prefix of the names of incomplete files and folders
MAX_NAME = 200  # bytes, of the 255 that systems allow: a prefix is added while the file is written
_POLL_SECONDS = 0.1
SPACE_REMEDIES = {
    errno.ENOSPC: "free some space, or set WB_HOME to a folder on another disk",
    errno.EDQUOT: "your quota is used up: free some space, or set WB_HOME to a folder on another disk",
    errno.EFBIG: "the size of files is limited (ulimit -f)",
}
_REMEDIES = {
    **SPACE_REMEDIES,
    errno.EROFS: "set WB_HOME to a folder that can be written",
    errno.EACCES: "set WB_HOME to a folder that can be written",
    errno.EPERM: "set WB_HOME to a folder that can be written",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EISDIR: "choose the name of a file",
    errno.ENOTDIR: "choose a folder",
    errno.EEXIST: "choose a folder",
    errno.ELOOP: "choose a path without a cycle of links",
}


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path next to `path`, which replaces it if the block succeeds and is deleted if it raises.

    The data are on the disk before the rename, so that `path` is never an incomplete file. Raises StorageError if it cannot be written.
    """
    with storage_errors(path), replace_file(path) as temporary:
        yield temporary
        fault_point("file written")


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """`atomic_write` without its error messages: for callers that explain an OSError themselves.

    The temporary file is locked until it is renamed or removed, so `clear_debris` of another process leaves it alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = _locked_temporary(path)
    try:
        yield temporary
        temporary.chmod(0o644)  # mkstemp creates files that only their owner can read
        _sync_file(temporary)
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors about full disks and forbidden folders into a StorageError that states what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise
        raise StorageError(f"{path} cannot be written: {os.strerror(error.errno)}; {_REMEDIES[error.errno]}") from error


def sync_folder(folder: Path) -> None:
    """Flush the names of a folder to the disk: a flushed file can still lose its name."""
    if os.name == "nt":  # folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def clear_debris(folder: Path) -> None:
    """Remove the unfinished files and folders of processes that were killed; a file that a process is still writing stays.

    Unfinished folders carry no lock: call it only where no other process writes one.
    """
    for path in folder.rglob(f"{UNFINISHED}*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif not is_in_use(path):
            with suppress(OSError):
                path.unlink()


def is_in_use(path: Path) -> bool:
    """True if a process has locked the file itself (it is being written, or mapped into memory), or another user owns it."""
    try:
        handle = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except PermissionError:
        return True
    except OSError:
        return False
    try:
        return not lock_handle(handle, wait=False)
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(handle)


@contextmanager
def exclusive_lock(lock: Path, seconds: float | None = None) -> Iterator[None]:
    """Hold a lock file that excludes other processes; wait until it is free.

    Raises TimeoutError, which names the process that holds it, after `seconds`.
    """
    with storage_errors(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a+")
    with file:
        try:
            import fcntl
        except ImportError:  # Windows: without a lock the work is done twice, which is harmless
            yield
            return
        until = None if seconds is None else time.monotonic() + seconds
        while not lock_handle(file.fileno(), wait=until is None):
            if until is not None and time.monotonic() >= until:
                file.seek(0)
                raise TimeoutError(file.read(100).strip() or "another process")
            time.sleep(_POLL_SECONDS)
        with suppress(OSError):  # the lock works on a full disk too
            file.truncate(0)
            file.write(f"process {os.getpid()}")
            file.flush()
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


def is_locked(lock: Path) -> bool:
    """True if another process holds the lock (non-blocking probe)."""
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
    """The file of that name directly in a folder; StorageError if it would be elsewhere, or the name is not valid."""
    plain = not any(character in name for character in "/\\\0") and name.isprintable() and name.strip(". ") != ""
    if not plain or len(name.encode()) > MAX_NAME:
        raise StorageError(f"{name!r:.80} is not a file name in {folder}")
    return folder / name


def is_file(path: Path) -> bool:
    """True if the file exists; False too if the name is not valid (4 KB, a NUL) or access is denied."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically."""
    write_text(path, json.dumps(value, indent=2, sort_keys=False, allow_nan=False) + "\n")


def format_bytes(count: int) -> str:
    """ "12.3 MiB", "1.5 GiB"."""
    return f"{count / 2**20:,.1f} MiB" if count < 2**30 else f"{count / 2**30:,.1f} GiB"


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _locked_temporary(path: Path) -> tuple[int, Path]:
    """A new file next to `path`, and the handle whose lock keeps `clear_debris` away from it."""
    while True:
        handle, name = tempfile.mkstemp(prefix=f"{UNFINISHED}{path.stem[:40]}.", suffix=path.suffix, dir=path.parent)
        with suppress(OSError):  # a file system without locks
            lock_handle(handle, wait=True)
        if os.path.exists(name):  # noqa: PTH110 - else another process removed it before it was locked
            return handle, Path(name)
        os.close(handle)


def lock_handle(handle: int, *, wait: bool, shared: bool = False) -> bool:
    """Lock an open file; False if another process holds a lock on it and `wait` is not set. Without effect on Windows.

    The system releases the lock when the handle is closed.
    """
    try:
        import fcntl
    except ImportError:  # Windows, where an open file cannot be removed anyway
        return True
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
