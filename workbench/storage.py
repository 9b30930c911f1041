"""Storage for derived data: checksummed arrays that are created once, and downloads with a known SHA-256."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import json
import os
import shutil
import urllib.error
import urllib.parse
import urllib.request
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from workbench.errors import DownloadError, StorageError
from workbench.files import SPACE_REMEDIES, clear_debris, format_bytes, lock_handle, replace_file

if TYPE_CHECKING:
    import numpy as np

AddRow = Callable[[Any], None]
Fill = Callable[[AddRow], dict[str, Any] | None]
Array = tuple["np.memmap[Any, Any]", dict[str, Any]]

BLOCK = 1 << 20
TIMEOUT = 60.0  # seconds without a byte


def load_or_create(path: Path, shape: Sequence[int], dtype: str, fill: Fill) -> Array:
    """The array stored as `path` (.npy) and its notes; created by `fill` if it is missing or damaged.

    `shape[0]` is the largest number of rows; `fill(add)` adds rows of `shape[1:]` in order and returns notes that JSON can hold. Array and
    notes share one checksum, stored in `path` with the suffix .json. Two processes that create the same array write two temporary files;
    the last rename wins, with equal bytes. Raises StorageError if the array cannot be written.
    """
    clear_debris(path.parent)
    stored = _load(path)
    if stored is None:
        _create(path, shape, dtype, fill)
        stored = _load(path)
    if stored is None:
        raise StorageError(f"{path} was written, but does not read back as written: check the disk")
    return stored


def _load(path: Path) -> Array | None:
    """None if the array is missing or its bytes have changed."""
    import numpy as np

    try:
        record = json.loads(path.with_suffix(".json").read_text())
        with ExitStack() as stack:
            file = stack.enter_context(path.open("rb"))
            with suppress(OSError):  # a file system without locks
                lock_handle(file.fileno(), wait=True, shared=True)
            if record["checksum"] != _checksum(file, record["notes"]):
                return None
            array: np.memmap[Any, Any] = np.load(path, mmap_mode="r", allow_pickle=False)
            # Locked as long as it is mapped, so that `wb cache clear` keeps it.
            weakref.finalize(array, stack.pop_all().close)
        return array, record["notes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _create(path: Path, shape: Sequence[int], dtype: str, fill: Fill) -> None:
    import numpy as np

    needed = np.dtype(dtype).itemsize * int(np.prod(shape, dtype=np.int64))
    with ExitStack() as stack:
        with _explain_write_errors(path, needed):
            path.parent.mkdir(parents=True, exist_ok=True)
            _check_space(path.parent, needed)
            record = stack.enter_context(replace_file(path.with_suffix(".json")))
            array = stack.enter_context(replace_file(path))
            rows = _Rows(path, stack.enter_context(_opened(array)), shape, dtype)
        notes = fill(rows.add) or {}
        with _explain_write_errors(path, needed):
            rows.finish()
            with array.open("rb") as file:
                text = json.dumps({"checksum": _checksum(file, notes), "notes": notes})
            with record.open("w") as file:  # on the disk before the array is renamed: the disk may be full until here
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            stack.close()


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that is closed without an error: after a failed write, what is left in the buffer may be lost."""
    file = path.open("wb")
    try:
        yield file
    finally:
        with suppress(OSError):
            file.close()


def _checksum(file: BufferedReader, notes: dict[str, Any]) -> str:
    """Hash of the array and its notes: which rows belong to which label matters as much as the pixels."""
    digest = hashlib.file_digest(file, "blake2b")
    digest.update(json.dumps(notes, sort_keys=True).encode())
    return digest.hexdigest()[:32]


class _Rows:
    """A .npy file that grows row by row.

    Written, not mapped: on a full disk a write is refused, while a page of a map that finds no place there ends the process.
    """

    def __init__(self, path: Path, file: IO[bytes], shape: Sequence[int], dtype: str) -> None:
        import numpy as np

        self._path, self._file, self._shape, self._dtype = path, file, tuple(shape), np.dtype(dtype)
        if self._dtype.hasobject:
            raise ValueError(f"{path}: an array of Python objects cannot be stored, dtype {dtype!r}")
        self._needed = self._dtype.itemsize * int(np.prod(self._shape, dtype=np.int64))
        self._count = 0
        self._write_header()

    def add(self, row: Any) -> None:
        """Append one row of `shape[1:]`."""
        import numpy as np

        if self._count == self._shape[0]:
            raise ValueError(f"{self._path}: fill() adds more than {self._count} rows")
        data = np.ascontiguousarray(row, dtype=self._dtype).reshape(self._shape[1:]).tobytes()
        with _explain_write_errors(self._path, self._needed):
            self._file.write(data)
        self._count += 1

    def finish(self) -> None:
        """Write the number of rows into the header and close the file."""
        if self._count == 0:
            raise ValueError(f"{self._path}: fill() added no rows")
        self._file.seek(0)
        self._write_header()
        self._file.close()

    def _write_header(self) -> None:
        from numpy.lib import format as npy

        # numpy leaves room in the header for the first axis to grow.
        header = {
            "descr": npy.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._count, *self._shape[1:]),
        }
        npy.write_array_header_1_0(self._file, header)


def _check_space(folder: Path, needed: int) -> None:
    disk = shutil.disk_usage(folder)
    if disk.total and disk.free < needed:  # some network disks report nothing
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def _explain_write_errors(path: Path, needed: int) -> Iterator[None]:
    """Turn an OSError into a StorageError that states the space needed and what to do."""
    try:
        yield
    except OSError as error:
        remedy = SPACE_REMEDIES.get(error.errno or 0, "set WB_HOME to a folder that can be written")
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}; up to {format_bytes(needed)} are needed there"
            f"{_free_space(path.parent)}. {remedy[0].upper()}{remedy[1:]}."
        ) from error


def _free_space(folder: Path) -> str:
    try:
        return f" and {format_bytes(shutil.disk_usage(folder).free)} are free"
    except OSError:
        return ""


def fetch(url: str, path: Path, sha256: str, progress: Callable[[int, int], None]) -> None:
    """Download `url` (http, https or file) to `path`; nothing to do if `path` has the SHA-256 `sha256` already.

    An interrupted download is kept as `<path>.part` and resumed by the next call. Proxies are read from the environment. A second process
    waits for the first. Raises DownloadError if the download fails or the bytes are not the expected ones.
    """
    if "@" in urllib.parse.urlsplit(url).netloc:
        raise DownloadError("a URL with a password in it is not followed: download the file by other means")
    part = path.with_name(path.name + ".part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with _locked(part) as file:
            if _has_digest(path, sha256):
                part.unlink()
                return
            _receive(url, file, progress)
            digest = _digest(part)
            if digest != sha256.lower():
                part.unlink()
                raise DownloadError(f"{url}: the file has SHA-256 {digest}, expected {sha256}; it has been deleted")
            part.replace(path)
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise DownloadError(f"{url}: download failed ({reason}). Run the same command again to resume it") from error


@contextmanager
def _locked(part: Path) -> Iterator[IO[bytes]]:
    """`part`, opened for appending by this process alone."""
    while True:
        with part.open("ab") as file:
            with suppress(OSError):  # a file system without locks
                lock_handle(file.fileno(), wait=True)
            if _is_same_file(file, part):  # else another process renamed or removed it before it was locked here
                try:
                    yield file
                finally:
                    if _is_same_file(file, part) and not part.stat().st_size:
                        part.unlink()
                return


def _is_same_file(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _has_digest(path: Path, sha256: str) -> bool:
    return path.is_file() and _digest(path) == sha256.lower()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _receive(url: str, file: IO[bytes], progress: Callable[[int, int], None]) -> None:
    """Append to `file` what it lacks of `url`."""
    start = os.fstat(file.fileno()).st_size
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})  # noqa: S310 - http, https and file are all right
    try:
        # A new opener: the shared one keeps the proxies of its first use.
        response = urllib.request.build_opener().open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and start:  # nothing is missing; the digest decides
            return
        raise
    with contextlib.closing(response):
        resumed = response.status == 206
        done = start if resumed else 0
        total = done + int(response.headers.get("Content-Length") or 0)
        if not resumed:
            file.truncate(0)
        while block := response.read(BLOCK):
            file.write(block)
            done += len(block)
            progress(done, total)
        file.flush()
        if done < total:
            raise OSError(f"the connection ended after {done} of {total} bytes")
