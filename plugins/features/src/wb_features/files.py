"""Weights files: where they are kept, how they are fetched, checked and read."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import os
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.interfaces import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 1 << 20
Report = Callable[[int, int], None]


def folder() -> Path:
    """The user's cache folder for weights."""
    from platformdirs import user_cache_path

    return user_cache_path("diffusion-workbench") / "weights"


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes; WeightsError where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from error
    return digest.hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` that takes its place when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        beside.chmod(0o644)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read_weights(path: Path, digest: str, mend: str) -> dict[str, Tensor]:
    """The tensors of a pickle that somebody else publishes so: only of the very bytes with that SHA-256, and nothing but tensors is unpickled.

    Raises WeightsError, with what would `mend` it, for any others.
    """
    import torch

    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error}): {mend}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise WeightsError(f"{path}: SHA-256 {found}, expected {digest}: {mend}")
    tensors: dict[str, Tensor] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return tensors


def download(url: str, path: Path, digest: str, report: Report) -> None:
    """Fetch `url` to `path`, going on where an earlier attempt broke off; the bytes must have the SHA-256 `digest`.

    Proxies are taken from the environment. What has been received stays in `<path>.part` until it is whole.
    """
    if "@" in urllib.parse.urlsplit(url).netloc:
        raise WeightsError(
            "a URL with a password in it is not followed: fetch the file by other means, and take it with `wb weights add`"
        )
    part = path.with_name(path.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        _receive(url, part, report)
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise WeightsError(
            f"{url}: download failed ({reason}). Run the same command again to go on, or fetch it by other means and add it."
        ) from error
    found = sha256(part)
    if found != digest:
        part.unlink()
        raise WeightsError(f"{url}: the file has SHA-256 {found}, expected {digest}; it has been deleted")
    part.replace(path)


def _receive(url: str, part: Path, report: Report) -> None:
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})  # noqa: S310 - http, https and file are all right
    try:
        # A fresh opener: the shared one keeps the proxies it found first.
        response = urllib.request.build_opener().open(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416 and start:  # nothing is missing; the digest decides
            return
        raise
    with contextlib.closing(response):
        resumed = response.status == 206
        done = start if resumed else 0
        total = done + int(response.headers.get("Content-Length") or 0)
        with part.open("ab" if resumed else "wb") as file:
            while block := response.read(BLOCK):
                file.write(block)
                done += len(block)
                report(done, total)
        if done < total:
            raise OSError(f"the connection ended after {done} of {total} bytes")
