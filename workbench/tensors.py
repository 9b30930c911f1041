"""Reading safetensors files from untrusted sources: they are checked before they are used."""

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

MAX_HEADER = 8 * 2**20  # bytes, enough for 60,000 tensors; small as Python objects too
MAX_NAME = 1024
MAX_DIMENSIONS = 8
MAX_ELEMENTS = 2**62  # torch counts up to twice as many
# By safetensors' name: bytes of an element, and torch's name. Types that some versions of torch lack are left out.
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
# Other formats of weights, by their first bytes. Compared only after safetensors: a header of 640 bytes starts like a pickle.
_PICKLE = "a pickle, which is not opened because it can run code"
_OTHERS = (
    (re.compile(rb"\x80[\x00-\x05]|\(*c[A-Za-z_][\w.]*\n[A-Za-z_]\w*\n|\([dlp]|[\]}]q\x00"), _PICKLE),
    (re.compile(rb"PK\x03\x04"), "a ZIP archive, as torch.save writes around " + _PICKLE),
    (re.compile(rb"\x93NUMPY"), "a NumPy array"),
    (re.compile(rb"\x89HDF"), "an HDF5 file"),
    (re.compile(rb"GGUF"), "a GGUF file"),
    (re.compile(rb"\x1f\x8b"), "compressed with gzip"),
    (re.compile(rb"version https://git-lfs"), "a pointer of Git LFS to a file that was not fetched"),
)


@dataclass(frozen=True)
class _Place:
    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_tensors(path: Path, *, sha256: str | None = None, most_bytes: int | None = None) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name, on the host; nothing in the file is executed.

    With `sha256`, the bytes that became tensors must have this hash. Raises WeightsError, one line that names the file, if the file is
    missing, not a regular file, larger than `most_bytes` or than this machine's memory, a pickle, or if its header does not describe every
    byte after it: sizes, shapes and offsets are checked before memory is allocated, which is never more than the file's size.
    """
    try:
        # Non-blocking: opening a pipe without a writer would not return.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            return _read(file, _size(file, most_bytes), sha256)
    except _Untrusted as error:
        raise WeightsError(f"{path} {error}") from None
    except (OSError, ValueError) as error:  # ValueError: not a valid file name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise WeightsError(f"{path} cannot be read: {reason}") from error
    except (MemoryError, RuntimeError) as error:  # RuntimeError: torch's allocator
        raise WeightsError(f"{path} does not fit into memory") from error


class _Untrusted(Exception):
    """The fault of a file, without its name."""


def _size(file: IO[bytes], most: int | None) -> int:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise _Untrusted("is not a regular file; a safetensors file was expected")
    if most is not None and status.st_size > most:
        raise _Untrusted(f"has {status.st_size:,} bytes, and at most {most:,} are expected")
    return status.st_size


def _read(file: IO[bytes], size: int, sha256: str | None) -> dict[str, Tensor]:
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or not 2 <= length <= min(MAX_HEADER, size - 8):
        raise _Untrusted(f"{_other(start + file.read(120))}; save the weights with safetensors, or get them in this format")
    header = file.read(length)
    try:
        places = _places(header, size - 8 - length)
    except (ValueError, RecursionError) as error:
        raise _Untrusted(f"is not a valid safetensors file: {error}") from None
    if size > _memory():  # sparse files too, which need no disk space
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
        raise _Untrusted(f"was cut short while it was read: tensor {place.name!r:.60} is incomplete")
    digest.update(view)
    if place.dtype == "BOOL" and done and int(data.max()) > 1:
        raise _Untrusted(f"is not a valid safetensors file: tensor {place.name!r:.60} has a truth value of {int(data.max())}")
    return data.view(getattr(torch, DTYPES[place.dtype][1])).reshape(place.shape)


def _memory() -> int:
    """Bytes of this machine's memory; a number without effect if the system does not report it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return MAX_ELEMENTS


def _other(start: bytes) -> str:
    """A description of a file that is not a safetensors file."""
    if not start:
        return "is empty"
    kind = next((name for pattern, name in _OTHERS if pattern.match(start)), None)
    return f"is {kind}" if kind else "is not a safetensors file: its length and that of its header do not fit"


def _places(text: bytes, size: int) -> list[_Place]:
    """The place of each tensor, in the order of the bytes; ValueError if the header does not describe `size` bytes exactly."""
    header = json.loads(text.decode("utf-8"), object_pairs_hook=_unique_table, parse_constant=_refuse_constant)
    if not isinstance(header, dict):
        raise ValueError("its header is not a table")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its __metadata__ is not a table of texts")
    places = sorted((_place(name, entry) for name, entry in header.items()), key=lambda place: (place.begin, place.end))
    end = 0
    for place in places:
        if place.begin != end:
            raise ValueError(
                f"tensor {place.name!r:.60} starts at byte {place.begin:,} instead of {end:,}: tensors overlap or leave gaps"
            )
        end = place.end
    if end != size:
        raise ValueError(f"its tensors take {end:,} bytes of {size:,}")
    return places


def _place(name: str, entry: Any) -> _Place:
    if not _is_plain(name):
        raise ValueError(f"{name!r:.60} is not a valid name of a tensor")
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"tensor {name!r:.60} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f"tensor {name!r:.60} has the unknown dtype {dtype!r:.20}")
    if not _are_naturals(shape) or len(shape) > MAX_DIMENSIONS or math.prod(max(side, 1) for side in shape) >= MAX_ELEMENTS:
        raise ValueError(f"tensor {name!r:.60} has the impossible shape {shape!r:.60}")
    if not _are_naturals(offsets) or len(offsets) != 2:
        raise ValueError(f"tensor {name!r:.60} has the impossible place {offsets!r:.60}")
    begin, end = offsets
    size = DTYPES[dtype][0] * math.prod(shape)
    if end - begin != size:
        raise ValueError(f"tensor {name!r:.60} takes {size:,} bytes, and its offsets enclose {end - begin:,}")
    return _Place(name, dtype, tuple(shape), begin, end)


def _is_plain(name: str) -> bool:
    """True if a name is not a path that leads elsewhere, and contains no control characters."""
    return 0 < len(name) <= MAX_NAME and name.isprintable() and not name.startswith("/") and ".." not in re.split(r"[/\\]", name)


def _are_naturals(value: Any) -> bool:
    return isinstance(value, list) and all(type(number) is int and 0 <= number < MAX_ELEMENTS for number in value)


def _unique_table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("its header contains a key twice")
    return table


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")
