"""Starting the worker processes of a sweep on other machines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from workbench.interfaces.component import Component


class Launched(Protocol):
    """A command that was submitted to a scheduler."""

    @property
    def name(self) -> str:
        """Its name in the scheduler."""
        ...

    def ended(self) -> bool:
        """Return True if it has ended, successfully or not; False while it is queued."""
        ...

    def stop(self) -> None:
        """Cancel it; without effect if it has ended."""
        ...


class Launcher(Component, ABC):
    """Submits commands to a scheduler such as Slurm or Ray; entry-point group `workbench.launchers`.

    `wb sweep --launcher NAME --launcher-set FIELD=VALUE` creates one from its fields and calls `launch` once. The commands are
    `wb sweep-worker`: they read their trials from the database, so a launcher only has to start them. The coordinator polls `ended`
    of each `Launched`, and calls `stop` on all of them when it is interrupted.
    """

    @abstractmethod
    def launch(self, command: Sequence[str], environment: Mapping[str, str], count: int, folder: Path) -> list[Launched]:
        """Start `command` `count` times, with `environment` added to its own; logs belong into `folder`.

        `environment` holds the database's password: it must not be printed or written to a file. Raises LauncherError if the scheduler
        is missing or refuses.
        """
