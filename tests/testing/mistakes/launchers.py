"""Launchers with a classic mistake in each, and the one they would be without it."""

from __future__ import annotations

import os
import subprocess

from pydantic import Field

from workbench.interfaces import Launcher

STARTED: list[subprocess.Popen[bytes]] = []  # for the tests to end


class Process:
    """A child of this process."""

    def __init__(self, process):
        self.process = process

    @property
    def name(self):
        return f"process {self.process.pid}"

    def ended(self):
        return self.process.poll() is not None

    def stop(self):
        if not self.ended():
            self.process.terminate()


class Forgotten(Process):
    """Reports the end of what was stopped, though it runs on."""

    stopped = False

    def ended(self):
        return self.stopped or super().ended()

    def stop(self):
        self.stopped = True


class Local(Launcher):
    """As it should be: child processes."""

    def launch(self, command, environment, count, folder):
        started = [subprocess.Popen(command, env={**os.environ, **environment}) for _ in range(count)]
        STARTED.extend(started)
        return [Process(process) for process in started]


class Sound(Local):
    """None."""


class LaunchesOne(Local):
    """Starts one command, whatever the count."""

    def launch(self, command, environment, count, folder):
        return super().launch(command, environment, 1, folder)


class DropsTheEnvironment(Local):
    """Starts commands with its own environment only."""

    def launch(self, command, environment, count, folder):
        return super().launch(command, {}, count, folder)


class StopsByName(Local):
    """Marks what is stopped as ended and leaves it running."""

    def launch(self, command, environment, count, folder):
        return [Forgotten(started.process) for started in super().launch(command, environment, count, folder)]


class HidesAField(Local):
    """Has a field without a description."""

    queue: str = Field("short")


CAUGHT_BY: dict[type[Launcher], str] = {
    LaunchesOne: "starts",
    DropsTheEnvironment: "starts",
    StopsByName: "stops",
    HidesAField: "recipe_round_trip",
}
