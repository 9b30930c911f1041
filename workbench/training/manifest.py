"""The manifest of a checkpoint: size and SHA-256 of each file, and the environment in which it was written."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import CheckpointError
from workbench.faults import fault_point
from workbench.files import storage_errors

NAME = "manifest.json"
SCHEMA = 2
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Manifest:
    """Sizes and SHA-256 of a checkpoint's files; the recipe's hash and the environment it was made in."""

    step: int
    files: Mapping[str, tuple[int, str]]
    recipe: str
    environment: Mapping[str, str]

    def write(self, folder: Path) -> None:
        """Write the manifest, the last file of the folder."""
        table = {
            "schema": SCHEMA,
            "step": self.step,
            "recipe": self.recipe,
            "environment": dict(self.environment),
            "files": {name: {"size": size, "sha256": sha256} for name, (size, sha256) in self.files.items()},
        }
        write_file(folder / NAME, _sealed(table))

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """The manifest of a folder; None if there is none, CheckpointError if it is damaged or of another version."""
        path = folder / NAME
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read ({error.strerror})") from error
        try:
            table: dict[str, Any] = json.loads(data)
            seal = table.pop("sha256")
            # Compared as bytes: JSON would ignore some changes.
            if _sealed(table) != data or seal != _hash(table):
                raise ValueError("its checksum does not match")
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise CheckpointError(f"{path} is damaged ({error})") from error
        if table["schema"] != SCHEMA:
            raise CheckpointError(f"{path}: written by another version of the workbench (this one reads schemas 1 and {SCHEMA})")
        files = {name: (entry["size"], entry["sha256"]) for name, entry in table["files"].items()}
        return cls(table["step"], files, table["recipe"], table["environment"])

    def check(self, folder: Path) -> None:
        """Read every file back, from the disk if the system allows it; CheckpointError at the first one that differs."""
        for name, (size, sha256) in self.files.items():
            path, digest, read = folder / name, hashlib.sha256(), 0
            try:
                with path.open("rb") as file:
                    if hasattr(os, "posix_fadvise"):  # drop the page cache
                        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                    while chunk := file.read(_CHUNK):
                        digest.update(chunk)
                        read += len(chunk)
                        if read > size:
                            break
            except OSError as error:
                raise CheckpointError(f"{path} cannot be read ({error.strerror})") from error
            if read != size or digest.hexdigest() != sha256:
                raise CheckpointError(f"{path} is damaged: its bytes are not those that were written")


def write_file(path: Path, data: bytes) -> tuple[int, str]:
    """Write and sync a new file; return its size and SHA-256. Raises StorageError if it cannot be written."""
    digest = hashlib.sha256()
    with storage_errors(path), path.open("xb") as file:
        view = memoryview(data)
        for start in range(0, len(data), _CHUNK):
            chunk = view[start : start + _CHUNK]
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
        fault_point("checkpoint file written")
    return len(data), digest.hexdigest()


def read_bytes(path: Path, expected: tuple[int, str] | None) -> bytes:
    """The bytes of a file; CheckpointError if they differ from the `expected` size and SHA-256."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror})") from error
    if expected is not None and (len(data), hashlib.sha256(data).hexdigest()) != expected:
        raise CheckpointError(f"{path} is damaged: its bytes are not those that were written")
    return data


def _sealed(table: Mapping[str, Any]) -> bytes:
    return (json.dumps({**table, "sha256": _hash(table)}, indent=2, sort_keys=True) + "\n").encode()


def _hash(table: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()
