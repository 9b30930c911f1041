"""The launcher of a sweep and the command that it starts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import cast

from workbench.errors import SweepError
from workbench.interfaces import Launcher
from workbench.recipe import parse_value, slot_of
from workbench.registry import load
from workbench.sweep.folder import SweepFolder

OPTION = "--launcher-set"


def launcher_of(name: str, settings: Sequence[str]) -> Launcher:
    """Build a launcher from its name and from settings such as "partition=gpu".

    Raises ComponentError if the launcher is unknown or broken, SweepError if a setting is not FIELD=VALUE, and RecipeError if a value does
    not fit its field.
    """
    load("launchers", name)
    fields = dict(map(_setting, settings))
    slot = slot_of("launchers", {**fields, "use": name}, dict.fromkeys(fields, OPTION))
    return cast("Launcher", slot.component)


def worker_command(folder: SweepFolder, device: str, lease: float | None) -> list[str]:
    """The command of a launched worker; it reads the storage from its environment."""
    extra = [] if lease is None else ["--lease-seconds", str(lease)]
    return [sys.executable, "-m", "workbench", "sweep-worker", folder.name, "--device", device, *extra]


def _setting(text: str) -> tuple[str, object]:
    field, equals, value = text.partition("=")
    if not equals or not field.strip():
        raise SweepError(f"{OPTION}: expected FIELD=VALUE such as partition=gpu, got {text!r:.60}")
    return field.strip(), parse_value(value.strip())
