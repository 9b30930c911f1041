"""Kernels: functions of tensors that torch compiled for this processor, kept as files and loaded in a millisecond."""

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

TOLD = "compiling for this processor"
FIXED = "-"  # the name of a dimension for whose size a kernel is made
DIGESTS = "sha256.json"  # of every kernel in a folder, by name
PATIENCE = 300.0  # seconds for a set of kernels; a quiet machine of two cores needs 20 to 45


@dataclass(frozen=True)
class Blueprint:
    """What a kernel is made from.

    `function`: torch operations on tensors. `like`: tensors to compile it for. `sizes`: of each of them, the names of its dimensions; a kernel
    serves every size of those but the fixed, and only the dtypes of `like`.
    """

    function: Callable[..., Any]
    like: Sequence[Tensor]
    sizes: Sequence[str]


class Kernels:
    """The kernels in a folder, which are built there when they are first asked for, if `builds` says so.

    Whatever goes wrong, somebody who asks for kernels gets None, and computes without.
    """

    def __init__(
        self, folder: Path | None, *, builds: bool = False, progress: Callable[[str, int, int], None] = lambda *_: None
    ) -> None:
        self._folder, self._builds, self._progress = folder, builds, progress
        self._loaded: dict[str, dict[str, Kernel] | None] = {}
        self.seconds = 0.0  # spent on building, or on waiting for who builds

    def get(self, family: str) -> dict[str, Kernel] | None:
        """The kernels of a family, by their names; None where there are none and none can be built."""
        if family not in self._loaded:
            self._loaded[family] = self._find(family)
        return self._loaded[family]

    def _find(self, family: str) -> dict[str, Kernel] | None:
        if self._folder is None or sys.platform != "linux":
            return None
        at = self._folder / f"{family}-{_sources()}"
        found = _load(at)
        if found is None and self._builds and can_build():
            self._progress(TOLD, 0, 1)
            started = time.perf_counter()
            with suppress(StorageError, OSError):
                found = _built(family, at)
            self.seconds += time.perf_counter() - started
            self._progress(TOLD, 1, 1)
        return found


def can_build() -> bool:
    """Whether there is a C++ compiler, which torch needs."""
    return shutil.which(os.environ.get("CXX", "g++")) is not None


def _built(family: str, at: Path) -> dict[str, Kernel] | None:
    """Built in a process of its own: torch's compiler takes hundreds of megabytes and prints what concerns nobody here."""
    failed = at.with_suffix(".failed")
    with exclusive_lock(at.parent / f".{family}.lock"):
        if (found := _load(at)) is not None or failed.exists():  # by another process meanwhile; or in vain, and would be again
            return found
        shutil.rmtree(at, ignore_errors=True)
        command = [sys.executable, "-P", "-m", "workbench.compute.fast.building", family, str(at)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        try:
            subprocess.run(command, check=True, env=environment, capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            write_text(failed, f"{error}\n{(error.stderr or b'').decode(errors='replace')}")
    return _load(at)


def _load(at: Path) -> dict[str, Kernel] | None:
    try:
        # This is code: nobody else's is run, however the folder came to hold it; and half of it would take the process down.
        if at.stat().st_uid != os.getuid() or at.stat().st_mode & 0o022:
            return None
        digests = json.loads((at / DIGESTS).read_text())
        if any(digest_of(at / f"{name}.so") != digest for name, digest in digests.items()):
            return None
        return {name: runner(at / f"{name}.so") for name in digests}
    except (OSError, ValueError, AttributeError, RuntimeError):
        return None  # absent or damaged


def digest_of(file: Path) -> str:
    """SHA-256 of a file's content."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def runner(file: Path) -> Kernel:
    """A kernel from its file. It believes the shapes, strides and dtypes it is given: whoever calls it must see to them."""
    loaded = torch._C._aoti.AOTIModelContainerRunnerCpu(str(file), 1)

    def run(*tensors: Tensor) -> Sequence[Tensor]:
        out: Sequence[Tensor] = loaded.run(list(tensors))
        return out

    return run


def _sources() -> str:
    """A name for what kernels are made from: another version of these files asks for others."""
    here = Path(__file__).parent
    content = b"".join(
        (here / name).read_bytes() for name in ("building.py", "exponential.py", "narrow_attention.py", "norm_silu.py")
    )
    return hashlib.sha256(content).hexdigest()[:12]
