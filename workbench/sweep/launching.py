"""Launchers by name: entry-point group `workbench.launchers`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pydantic import ValidationError

from workbench.errors import BrokenComponent, SweepError, UnknownComponent
from workbench.interfaces import Launcher
from workbench.recipe import parse_value
from workbench.registry import entry_points
from workbench.sweep.folder import SweepFolder

GROUP = "workbench.launchers"


def launcher_of(name: str, settings: Sequence[str]) -> Launcher:
    """The launcher of a name, its fields set from texts such as "partition=gpu".

    Raises UnknownComponent, BrokenComponent, and SweepError where a field is not what it takes.
    """
    found = [entry for entry in entry_points(GROUP) if entry.name == name]
    if not found:
        names = sorted({entry.name for entry in entry_points(GROUP)})
        raise UnknownComponent(
            f"no launcher '{name}'; installed: {', '.join(names) or 'none'}. Slurm and Ray: pip install diffusion-workbench-launchers"
        )
    if len({entry.value for entry in found}) > 1:
        raise BrokenComponent(f"several distributions claim the launcher '{name}': {', '.join(entry.value for entry in found)}")
    try:
        kind = found[0].load()
    except Exception as error:  # a stranger's module
        raise BrokenComponent(f"the launcher '{name}' cannot be loaded: {type(error).__name__}: {error}") from error
    if not (isinstance(kind, type) and issubclass(kind, Launcher)):
        raise BrokenComponent(f"the launcher '{name}': {found[0].value} is no Launcher")
    try:
        launcher: Launcher = kind.model_validate(dict(map(_pair, settings)))
    except ValidationError as error:
        first = error.errors()[0]
        fields = ", ".join(kind.model_fields)
        raise SweepError(
            f"--launcher-set: {'.'.join(map(str, first['loc']))}: {first['msg']}; fields of '{name}': {fields}"
        ) from error
    return launcher


def worker_command(folder: SweepFolder, device: str, lease: float | None) -> list[str]:
    """What a launched worker runs; it finds the storage in its environment."""
    extra = [] if lease is None else ["--lease-seconds", str(lease)]
    return [sys.executable, "-m", "workbench", "sweep-worker", folder.name, "--device", device, *extra]


def _pair(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise SweepError(f"--launcher-set: expected FIELD=VALUE such as partition=gpu, got {text!r:.60}")
    return key.strip(), parse_value(value.strip())
