"""Weights files: where they are stored, their hash, and how they are read."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.interfaces import Resources, WeightsError

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = "weights"


def resources(progress: Callable[[str, int, int], None] = lambda *_: None) -> Resources:
    """Storage in the user's cache folder, which all homes share."""
    from platformdirs import user_cache_path

    return Resources(user_cache_path("diffusion-workbench"), progress)


def stored_path(name: str) -> Path:
    """The path of the installed weights file `name`, which may be missing."""
    return resources().cache / FOLDER / name


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes; WeightsError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from error


def read_weights(path: Path, expected: str, remedy: str) -> dict[str, Tensor]:
    """The tensors of a pickle published by a third party: only the exact bytes with the SHA-256 `expected`, and nothing but tensors is unpickled.

    Raises WeightsError, which ends with `remedy`, for any other file.
    """
    import torch

    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error}): {remedy}") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != expected:
        raise WeightsError(f"{path}: SHA-256 {digest}, expected {expected}: {remedy}")
    tensors: dict[str, Tensor] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return tensors
