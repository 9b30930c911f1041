"""The environment of a run: versions, commit, machine."""

from __future__ import annotations

import contextlib
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("torch", "torchvision", "numpy", "mlflow")


def run_facts(distributions: dict[str, str], source: Path) -> dict[str, str]:
    """Tags: Python, packages, the distributions of the components used (name -> version), and the git commit `source` is under."""
    tags = {"wb.python": platform.python_version(), "wb.platform": platform.platform()}
    for package in PACKAGES:
        # KeyError, or None: an interrupted installation leaves metadata without a version.
        with contextlib.suppress(PackageNotFoundError, KeyError):
            tags |= {f"wb.version.{package}": number} if (number := version(package)) else {}
    tags |= {f"wb.version.{name}": number for name, number in sorted(distributions.items())}
    return tags | _git(source if source.is_dir() else source.parent)


def _git(folder: Path) -> dict[str, str]:
    commit = _output(["git", "rev-parse", "HEAD"], folder)
    if not commit:
        return {}
    dirty = bool(_output(["git", "status", "--porcelain", "--untracked-files=no"], folder))
    return {"mlflow.source.git.commit": commit, "wb.git.dirty": str(dirty).lower()}


def _output(command: list[str], folder: Path) -> str:
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
