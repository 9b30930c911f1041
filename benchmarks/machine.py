"""The machine that the results were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "diffusion-workbench",
    "torch",
    "diffusers",
    "denoising-diffusion-pytorch",
    "pytorch-fid",
    "torch-fidelity",
    "numpy",
    "scipy",
)
# CPU flags that determine the speed of convolutions, on x86 and Arm.
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile", "asimd", "bf16", "sve")


def describe(threads: int) -> dict[str, Any]:
    """CPU, cores, threads, flags and versions, as plain values."""
    cpuinfo = _cpuinfo()
    present = set(cpuinfo.get("flags", cpuinfo.get("Features", "")).split())
    return {
        "processor": cpuinfo.get("model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": threads,
        "flags": [flag for flag in FLAGS if flag in present],
        "python": platform.python_version(),
        "versions": {name: installed for name in PACKAGES if (installed := _version(name))},
        "commit": _commit(),
    }


def load_warning(threads: int) -> str | None:
    """A warning if other processes use the machine: they would change the times."""
    if not hasattr(os, "getloadavg"):
        return None
    load = os.getloadavg()[0]
    return f"the machine is busy: a load of {load:.1f} in the last minute" if load > 0.25 * threads else None


def _cpuinfo() -> dict[str, str]:
    """The first entry of /proc/cpuinfo; empty if there is none."""
    path = Path("/proc/cpuinfo")
    lines: Sequence[str] = path.read_text().partition("\n\n")[0].splitlines() if path.exists() else []
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the checkout, with a + if files have been changed."""
    result = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return result.stdout.strip() or None
