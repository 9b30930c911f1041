"""What the numbers were measured on."""

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
# What decides how fast convolutions are on x86, and Arm's counterparts.
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile", "asimd", "bf16", "sve")


def describe(threads: int) -> dict[str, Any]:
    """Processor, cores, threads, flags and versions, as plain values."""
    cpuinfo = _cpuinfo()
    present = set(cpuinfo.get("flags", cpuinfo.get("Features", "")).split())
    return {
        "processor": cpuinfo.get("model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": threads,
        "flags": [flag for flag in FLAGS if flag in present],
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "commit": _commit(),
    }


def busy(threads: int) -> str | None:
    """A warning where something else keeps the machine busy: times would be its as much as ours."""
    if not hasattr(os, "getloadavg"):
        return None
    load = os.getloadavg()[0]
    return f"the machine is busy: a load of {load:.1f} in the last minute" if load > 0.25 * threads else None


def _cpuinfo() -> dict[str, str]:
    """The first processor's entry of /proc/cpuinfo; nothing where there is none."""
    path = Path("/proc/cpuinfo")
    lines: Sequence[str] = path.read_text().partition("\n\n")[0].splitlines() if path.exists() else []
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The checkout's commit, with a + where files have been changed since."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return described.stdout.strip() or None
