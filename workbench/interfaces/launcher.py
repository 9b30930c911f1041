"""Starting the worker processes of a sweep on other machines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from workbench.interfaces.component import Component


class Launched(Protocol):
    """A command that has been handed to a scheduler."""

    @property
    def name(self) -> str:
        """What the scheduler calls it."""
        ...

    def ended(self) -> bool:
        """Whether it has ended, however; False while it waits for a place."""
        ...

    def stop(self) -> None:
        """Ask the scheduler to end it; nothing happens where it has ended."""
        ...


class Launcher(Component, ABC):
    """Hands commands to a scheduler of somebody else's; entry-point group `workbench.launchers`.

    `wb sweep --launcher NAME --launcher-set FIELD=VALUE` makes one from its fields and calls `launch` once. The commands are
    `wb sweep-worker`: they find their trials in the database by themselves, so a launcher only has to start them. The coordinator asks each
    `Launched` now and then whether it has ended, and calls `stop` on all when it is interrupted.
    """

    @abstractmethod
    def launch(self, command: Sequence[str], environment: Mapping[str, str], count: int, folder: Path) -> list[Launched]:
        """Start `command` `count` times, with `environment` added to its own; logs belong into `folder`.

        `environment` holds the database's password: it must not be printed or written down. Raises LauncherError where the scheduler
        is not there or refuses.
        """
