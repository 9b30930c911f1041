"""Decoded images in one uint8 memory map, made once per content and settings."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, final

from workbench.interfaces import Example, Examples, Provenance, StorageError

if TYPE_CHECKING:
    from torch import Tensor

Add = Callable[[Any], None]  # takes one image, uint8 [h, w, 3]
Make = Callable[[Add], dict[str, Any]]  # adds one image after the other and returns what is to be remembered of them

WRITING = ".writing_"  # the beginning of the names of files that are not whole yet
_REMEDIES = {
    errno.ENOSPC: "free some space, or set WB_HOME to a folder on another disk",
    errno.EDQUOT: "your quota is used up: free some space, or set WB_HOME to a folder on another disk",
    errno.EFBIG: "files may not become that large here (ulimit -f)",
}


@final
@dataclass(frozen=True)
class StoredExamples(Examples):
    """Examples whose pixels lie in an array [n, h, w, 3]."""

    pixels: Any
    label_list: Sequence[int] | None
    captions: Callable[[int], str] | None
    told: Provenance

    @property
    def provenance(self) -> Provenance:
        """Where these examples come from."""
        return self.told

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Example:
        return Example(
            self.images([index])[0],
            None if self.label_list is None else self.label_list[index],
            None if self.captions is None else self.captions(index),
        )

    def images(self, indices: Sequence[int]) -> Tensor:
        """Images [b, 3, h, w] in [-1, 1], float32."""
        import numpy as np
        import torch

        chosen = torch.from_numpy(np.ascontiguousarray(self.pixels[np.asarray(indices, dtype=np.int64)]))
        return chosen.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)

    def labels(self, indices: Sequence[int]) -> Tensor | None:
        """Labels int64 [b], or None where there are none."""
        import torch

        return None if self.label_list is None else torch.tensor([self.label_list[i] for i in indices])


def key_of(settings: object) -> str:
    """A short hash of plain values."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:32]


def load_or_create(folder: Path, key: str, count: int, size: int, make: Make) -> tuple[Any, dict[str, Any]]:
    """The images [n, size, size, 3] and notes kept under a key; where there are none, or damaged ones, what `make` adds and returns.

    `make` adds `count` images at most. Whole or absent: two processes that do it at once each write beside and the last move wins, with
    equal bytes. Raises StorageError where they cannot be kept.
    """
    _clear_debris(folder)
    found = _kept(folder, key)
    if found is not None:
        return found
    with _told(folder, count * size * size * 3):
        folder.mkdir(parents=True, exist_ok=True)
        _check_space(folder, count * size * size * 3)
        with _beside(folder) as (file, path), _beside(folder) as (noted, notes_path):
            rows = _Rows(file, size)
            notes = make(rows.add)
            rows.finish()
            noted.write(json.dumps({"checksum": _checksum(path, notes), "notes": notes}).encode())
            noted.close()  # everything is written before anything gets its name: the disk may be full until here
            path.replace(folder / f"{key}.npy")
            notes_path.replace(folder / f"{key}.json")
        found = _kept(folder, key)
    if found is None:
        raise StorageError(f"{folder / key}.npy was written and does not come back as it was: is the disk in order?")
    return found


def _kept(folder: Path, key: str) -> tuple[Any, dict[str, Any]] | None:
    """None where they are missing or their bytes have changed."""
    import numpy as np

    path = folder / f"{key}.npy"
    try:
        told = json.loads((folder / f"{key}.json").read_text())
        if told["checksum"] != _checksum(path, told["notes"]):
            return None
        return np.load(path, mmap_mode="r", allow_pickle=False), told["notes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _checksum(path: Path, notes: dict[str, Any]) -> str:
    """Of the images and of what is said about them: which rows belong to which label is as precious as the pixels."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "blake2b")
    digest.update(json.dumps(notes, sort_keys=True).encode())
    return digest.hexdigest()[:32]


class _Rows:
    """A .npy file that grows by an image at a time.

    Written, not mapped: on a full disk a write is refused, while a page of a map that finds no place there ends the process.
    """

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._size, self._count = file, size, 0
        self._begin()

    def add(self, pixels: Any) -> None:
        """Write one image, uint8 [size, size, 3]."""
        import numpy as np

        self._file.write(np.ascontiguousarray(pixels, dtype=np.uint8).reshape(self._size, self._size, 3).tobytes())
        self._count += 1

    def finish(self) -> None:
        """Say in the file's head how many there are, and have all of it written."""
        self._file.seek(0)
        self._begin()
        self._file.close()

    def _begin(self) -> None:
        import numpy as np

        # numpy leaves room in the head for the first axis to grow.
        shape = (self._count, self._size, self._size, 3)
        np.lib.format.write_array_header_1_0(self._file, {"descr": "|u1", "fortran_order": False, "shape": shape})


@contextmanager
def _beside(folder: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """A new file that is gone after the block unless it was given another name in it."""
    file, path = _locked_file(folder)
    try:
        yield file, path
        path.unlink(missing_ok=True)
    except BaseException:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # what is still to be written there is not wanted any more
            file.close()
        raise


def _locked_file(folder: Path) -> tuple[IO[bytes], Path]:
    """A file that is locked as long as it is open: one that is not was left by a process that was killed."""
    while True:
        handle, name = tempfile.mkstemp(prefix=WRITING, dir=folder)
        path = Path(name)
        path.chmod(0o644)  # mkstemp makes files for one's own eyes only
        with suppress(OSError):
            _lock(handle, wait=True)
        if path.exists():  # else another process cleared it away in the moment before it was locked
            return os.fdopen(handle, "wb"), path
        os.close(handle)


def _clear_debris(folder: Path) -> None:
    """Remove what killed processes left half written, and nothing that somebody is writing."""
    for path in folder.glob(f"{WRITING}*"):
        with suppress(OSError):  # it is locked, or it is not ours to remove
            handle = os.open(path, os.O_RDWR)
            try:
                _lock(handle, wait=False)
            finally:
                os.close(handle)
            path.unlink()


def _lock(handle: int, *, wait: bool) -> None:
    try:
        import fcntl
    except ImportError:  # Windows, which lets nobody remove a file that is open
        return
    fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def _check_space(folder: Path, needed: int) -> None:
    disk = shutil.disk_usage(folder)
    if disk.total and disk.free < needed:  # some network disks do not say
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def _told(folder: Path, needed: int) -> Iterator[None]:
    """Turn what the system says of a full disk or a forbidden folder into a StorageError."""
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "set WB_HOME to a folder that can be written")
        raise StorageError(
            f"decoded images cannot be kept in {folder}: {error.strerror or error}; up to {_amount(needed)} are needed there{_left(folder)}. "
            f"{remedy[0].upper()}{remedy[1:]}."
        ) from error


def _left(folder: Path) -> str:
    try:
        return f" and {_amount(shutil.disk_usage(folder).free)} are free"
    except OSError:
        return ""


def _amount(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB" if count < 2**30 else f"{count / 2**30:,.1f} GiB"
