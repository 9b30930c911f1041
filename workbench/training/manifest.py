"""What a checkpoint's folder must hold, byte for byte, and with what it was made."""

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
        """Write it as the folder's last file."""
        told = {
            "schema": SCHEMA,
            "step": self.step,
            "recipe": self.recipe,
            "environment": dict(self.environment),
            "files": {name: {"size": size, "sha256": sha256} for name, (size, sha256) in self.files.items()},
        }
        write_file(folder / NAME, _sealed(told))

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """The manifest of a folder; None where there is none, CheckpointError where it is damaged or of a later version."""
        path = folder / NAME
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read ({error.strerror})") from error
        try:
            told: dict[str, Any] = json.loads(data)
            seal = told.pop("sha256")
            # Compared as bytes: a change that JSON would not notice is one too.
            if _sealed(told) != data or seal != _hash(told):
                raise ValueError("its own checksum does not fit")
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise CheckpointError(f"{path} is damaged ({error})") from error
        if told["schema"] != SCHEMA:
            raise CheckpointError(f"{path}: written by another version of the workbench (this one reads schemas 1 and {SCHEMA})")
        files = {name: (each["size"], each["sha256"]) for name, each in told["files"].items()}
        return cls(told["step"], files, told["recipe"], told["environment"])

    def check(self, folder: Path) -> None:
        """Read every file back, from the disk where the system allows it; CheckpointError at the first that is not what it was."""
        for name, (size, sha256) in self.files.items():
            path, digest, read = folder / name, hashlib.sha256(), 0
            try:
                with path.open("rb") as file:
                    if hasattr(os, "posix_fadvise"):  # not what is still in memory
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
    """Write a new file through to the disk; its size and SHA-256. StorageError where it cannot be written."""
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
    """The bytes of a file, which are the ones that were hashed; CheckpointError where they are others."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror})") from error
    if expected is not None and (len(data), hashlib.sha256(data).hexdigest()) != expected:
        raise CheckpointError(f"{path} is damaged: its bytes are not those that were written")
    return data


def _sealed(told: Mapping[str, Any]) -> bytes:
    return (json.dumps({**told, "sha256": _hash(told)}, indent=2, sort_keys=True) + "\n").encode()


def _hash(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
