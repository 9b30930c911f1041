"""Reading tensors that anybody may have written: safetensors, looked at before they are believed."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from workbench.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

LONGEST_HEADER = 8 * 2**20  # room for 60,000 tensors, and what Python makes of it is still small
LONGEST_NAME = 1024
MOST_DIMENSIONS = 8
LARGEST = 2**62  # elements that torch can count, with room to spare
# As safetensors calls them: bytes of an element, and torch's name. Types that are not in every torch are not among them.
DTYPES = {
    "BOOL": (1, "bool"),
    "U8": (1, "uint8"),
    "I8": (1, "int8"),
    "F8_E4M3": (1, "float8_e4m3fn"),
    "F8_E5M2": (1, "float8_e5m2"),
    "I16": (2, "int16"),
    "U16": (2, "uint16"),
    "F16": (2, "float16"),
    "BF16": (2, "bfloat16"),
    "I32": (4, "int32"),
    "U32": (4, "uint32"),
    "F32": (4, "float32"),
    "I64": (8, "int64"),
    "U64": (8, "uint64"),
    "F64": (8, "float64"),
    "C64": (8, "complex64"),
}
# What else is handed around as weights, by its first bytes. Asked only of what is no safetensors file: a header of 640 bytes begins as a pickle does.
_PICKLE = "a pickle, which can run code when it is opened and therefore is not"
_OTHERS = (
    (re.compile(rb"\x80[\x00-\x05]|\(*c[A-Za-z_][\w.]*\n[A-Za-z_]\w*\n|\([dlp]|[\]}]q\x00"), _PICKLE),
    (re.compile(rb"PK\x03\x04"), "a ZIP archive, as torch.save writes around " + _PICKLE),
    (re.compile(rb"\x93NUMPY"), "a NumPy array"),
    (re.compile(rb"\x89HDF"), "an HDF5 file"),
    (re.compile(rb"GGUF"), "a GGUF file"),
    (re.compile(rb"\x1f\x8b"), "compressed with gzip"),
    (re.compile(rb"version https://git-lfs"), "a pointer of Git LFS, whose file was never fetched"),
)


@dataclass(frozen=True)
class _Place:
    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_tensors(path: Path, *, sha256: str | None = None, most_bytes: int | None = None) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name, on the host; nothing in it is run.

    With `sha256`, the very bytes that became tensors must have it. Raises WeightsError, a line that names the file, for one that is not there,
    no regular file, larger than `most_bytes` or than this machine's memory, a pickle, or whose header does not describe the bytes after it
    one by one: sizes, shapes and places are checked before memory is asked for, and no more than the file's size is.
    """
    try:
        # Opened without waiting: a pipe that nobody writes would hold us for ever.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            return _read(file, _size(file, most_bytes), sha256)
    except _Untrusted as error:
        raise WeightsError(f"{path} {error}") from None
    except (OSError, ValueError) as error:  # ValueError: no file can be called so
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise WeightsError(f"{path} cannot be read: {reason}") from error
    except (MemoryError, RuntimeError) as error:  # RuntimeError: torch's allocator
        raise WeightsError(f"{path} does not fit into memory") from error


class _Untrusted(Exception):
    """What is wrong with a file, without its name."""


def _size(file: IO[bytes], most: int | None) -> int:
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode):
        raise _Untrusted("is no regular file; a safetensors file was expected")
    if most is not None and found.st_size > most:
        raise _Untrusted(f"has {found.st_size:,} bytes, and at most {most:,} are expected")
    return found.st_size


def _read(file: IO[bytes], size: int, sha256: str | None) -> dict[str, Tensor]:
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or not 2 <= length <= min(LONGEST_HEADER, size - 8):
        raise _Untrusted(f"{_other(start + file.read(120))}; save the weights with safetensors, or ask for them so")
    header = file.read(length)
    try:
        places = _places(header, size - 8 - length)
    except (ValueError, RecursionError) as error:
        raise _Untrusted(f"is no safetensors file that can be trusted: {error}") from None
    if size > _memory():  # also of a file that lies on no disk, being one hole
        raise _Untrusted(f"has {size:,} bytes, and this machine's memory has {_memory():,}")
    digest = hashlib.sha256(start + header)
    tensors = {place.name: _tensor(file, place, digest) for place in places}
    if sha256 is not None and digest.hexdigest() != sha256:
        raise _Untrusted(f"is damaged or another file: its SHA-256 is {digest.hexdigest()}, expected {sha256}")
    return tensors


def _tensor(file: IO[bytes], place: _Place, digest: hashlib._Hash) -> Tensor:
    import torch

    data = torch.empty(place.end - place.begin, dtype=torch.uint8)
    view = memoryview(data.numpy())  # type: ignore[arg-type]
    done = 0
    while done < len(view) and (count := file.readinto(view[done:])):  # type: ignore[attr-defined]
        done += count
    if done < len(view):
        raise _Untrusted(f"was cut short while it was read: tensor {place.name!r:.60} is not whole")
    digest.update(view)
    if place.dtype == "BOOL" and done and int(data.max()) > 1:
        raise _Untrusted(
            f"is no safetensors file that can be trusted: tensor {place.name!r:.60} has a truth value of {int(data.max())}"
        )
    return data.view(getattr(torch, DTYPES[place.dtype][1])).reshape(place.shape)


def _memory() -> int:
    """Bytes this machine has, where it can be asked."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return LARGEST


def _other(start: bytes) -> str:
    """What a file is that is no safetensors file."""
    if not start:
        return "is empty"
    kind = next((words for pattern, words in _OTHERS if pattern.match(start)), None)
    return f"is {kind}" if kind else "is no safetensors file: its length and that of its header do not fit"


def _places(text: bytes, size: int) -> list[_Place]:
    """Where each tensor is, from the first byte to the last; ValueError where the header does not describe `size` bytes exactly."""
    header = json.loads(text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_number)
    if not isinstance(header, dict):
        raise ValueError("its header is no table")
    told = header.pop("__metadata__", {})
    if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
        raise ValueError("its __metadata__ is no table of texts")
    places = sorted((_place(name, entry) for name, entry in header.items()), key=lambda place: (place.begin, place.end))
    end = 0
    for place in places:
        if place.begin != end:
            raise ValueError(
                f"tensor {place.name!r:.60} begins at byte {place.begin:,}, where {end:,} is next: tensors overlap or leave gaps"
            )
        end = place.end
    if end != size:
        raise ValueError(f"its tensors take {end:,} bytes, and {size:,} are there")
    return places


def _place(name: str, told: Any) -> _Place:
    if not _plain(name):
        raise ValueError(f"{name!r:.60} is no name for a tensor")
    if not isinstance(told, dict) or set(told) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"tensor {name!r:.60} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = told["dtype"], told["shape"], told["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f"tensor {name!r:.60} has the unknown dtype {dtype!r:.20}")
    if not _naturals(shape) or len(shape) > MOST_DIMENSIONS or math.prod(max(side, 1) for side in shape) >= LARGEST:
        raise ValueError(f"tensor {name!r:.60} has the impossible shape {shape!r:.60}")
    if not _naturals(offsets) or len(offsets) != 2:
        raise ValueError(f"tensor {name!r:.60} has the impossible place {offsets!r:.60}")
    begin, end = offsets
    size = DTYPES[dtype][0] * math.prod(shape)
    if end - begin != size:
        raise ValueError(f"tensor {name!r:.60} takes {size:,} bytes, and its place has {end - begin:,}")
    return _Place(name, dtype, tuple(shape), begin, end)


def _plain(name: str) -> bool:
    """Whether a name could not be mistaken for a path that leads elsewhere, nor change what it is printed on."""
    return (
        0 < len(name) <= LONGEST_NAME and name.isprintable() and not name.startswith("/") and ".." not in re.split(r"[/\\]", name)
    )


def _naturals(value: Any) -> bool:
    return isinstance(value, list) and all(type(each) is int and 0 <= each < LARGEST for each in value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("its header names something twice")
    return table


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")
