"""Kernels: functions of tensors that torch compiled for this CPU, stored as files and loaded in a millisecond."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.errors import StorageError
from workbench.files import exclusive_lock, write_text

Kernel = Callable[..., Sequence[Tensor]]

COMPILING = "compiling for this CPU"
FIXED_SIZE = "-"  # the name of a dimension whose size is compiled in
DIGESTS = "sha256.json"  # digests of the kernels in a folder, by name
BUILD_SECONDS = 300.0  # time limit for a family of kernels; an idle machine with two cores needs 20 to 45


@dataclass(frozen=True)
class Blueprint:
    """The source of a kernel.

    `function`: torch operations on tensors. `like`: example arguments. `sizes`: the names of each argument's dimensions, separated by spaces.
    The kernel works for every size of a dimension, unless it is named "-", and only for the dtypes of `like`.
    """

    function: Callable[..., Any]
    like: Sequence[Tensor]
    sizes: Sequence[str]


class Kernels:
    """The kernels in a folder; with `builds`, they are compiled when they are first requested.

    If anything fails, `get` returns None and the caller computes without kernels.
    """

    def __init__(
        self, folder: Path | None, *, builds: bool = False, progress: Callable[[str, int, int], None] = lambda *_: None
    ) -> None:
        self._folder, self._builds, self._progress = folder, builds, progress
        self._loaded: dict[str, dict[str, Kernel] | None] = {}
        self.seconds = 0.0  # spent on building, or on waiting for another process that builds

    def get(self, family: str) -> dict[str, Kernel] | None:
        """The kernels of a family by name; None if they neither exist nor can be built."""
        if family not in self._loaded:
            self._loaded[family] = self._load_or_build(family)
        return self._loaded[family]

    def _load_or_build(self, family: str) -> dict[str, Kernel] | None:
        if self._folder is None or sys.platform != "linux":
            return None
        at = self._folder / f"{family}-{_source_digest()}"
        kernels = _load(at)
        if kernels is None and self._builds and can_build():
            self._progress(COMPILING, 0, 1)
            started = time.perf_counter()
            with suppress(StorageError, OSError):
                kernels = _build(family, at)
            self.seconds += time.perf_counter() - started
            self._progress(COMPILING, 1, 1)
        return kernels


def can_build() -> bool:
    """True if the C++ compiler that torch needs is installed."""
    return shutil.which(os.environ.get("CXX", "g++")) is not None


def _build(family: str, at: Path) -> dict[str, Kernel] | None:
    """Compile in a separate process, because torch's compiler takes hundreds of megabytes and prints a lot."""
    failed = at.with_suffix(".failed")
    with exclusive_lock(at.parent / f".{family}.lock"):
        # Another process may have built them meanwhile; or a build has failed, and would fail again.
        if (kernels := _load(at)) is not None or failed.exists():
            return kernels
        shutil.rmtree(at, ignore_errors=True)
        command = [sys.executable, "-P", "-m", "workbench.compute.fast.building", family, str(at)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        try:
            subprocess.run(
                command, check=True, env=environment, capture_output=True, stdin=subprocess.DEVNULL, timeout=BUILD_SECONDS
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            write_text(failed, f"{error}\n{(error.stderr or b'').decode(errors='replace')}")
    return _load(at)


def _load(at: Path) -> dict[str, Kernel] | None:
    try:
        # Kernels are code: those that another user owns or may change are not run. A truncated file would crash the process.
        if at.stat().st_uid != os.getuid() or at.stat().st_mode & 0o022:
            return None
        digests = json.loads((at / DIGESTS).read_text())
        if any(digest_of(at / f"{name}.so") != digest for name, digest in digests.items()):
            return None
        return {name: load_kernel(at / f"{name}.so") for name in digests}
    except (OSError, ValueError, AttributeError, RuntimeError):
        return None  # missing or damaged


def digest_of(file: Path) -> str:
    """SHA-256 of a file's content."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def load_kernel(file: Path) -> Kernel:
    """Load a kernel from its file. It does not check shapes, strides or dtypes: the caller must."""
    loaded = torch._C._aoti.AOTIModelContainerRunnerCpu(str(file), 1)

    def run(*tensors: Tensor) -> Sequence[Tensor]:
        out: Sequence[Tensor] = loaded.run(list(tensors))
        return out

    return run


def _source_digest() -> str:
    """A digest of the files that kernels are made from: a change of these files invalidates stored kernels."""
    here = Path(__file__).parent
    content = b"".join(
        (here / name).read_bytes() for name in ("building.py", "exponential.py", "narrow_attention.py", "norm_silu.py")
    )
    return hashlib.sha256(content).hexdigest()[:12]
