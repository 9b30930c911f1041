"""Progress of a run: one stream of events, read by the command line, the tracker and sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from PIL.Image import Image

Phase = Literal["training", "evaluating", "finished", "killed"]


@dataclass(frozen=True)
class Progress:
    """One event of a run. `metrics`, `cards` and `pictures` hold only what is new at this step and are often empty."""

    phase: Phase
    step: int
    done: int = 0  # of `total`: optimizer steps while training, images while evaluating
    total: int = 0
    what: str = ""  # the current part of an evaluation, in a few words
    images_per_second: float | None = None
    seconds_left: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    cards: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # metric cards by metric name
    pictures: Mapping[str, Image] = field(default_factory=dict)  # by name
    files: Mapping[str, bytes] = field(default_factory=dict)  # other files by name, such as animations
    warnings: tuple[str, ...] = ()  # results that are missing at this step, and why
    checkpoint: bool = False  # True if a checkpoint of this step was just written


class Stopped(Exception):
    """Work was abandoned because a stop was requested."""


class Stop:
    """A request to stop, set by a signal handler and honoured after the current step; a request to `within` counts too."""

    def __init__(self, within: Stop | None = None) -> None:
        self._requested, self._within = False, within
        self.signal: int | None = None

    @property
    def requested(self) -> bool:
        """True if a stop was requested."""
        return self._requested or (self._within is not None and self._within.requested)

    def request(self, signal: int | None = None) -> None:
        """Request a stop as soon as no work would be lost; `signal` is the signal that caused the request."""
        self._requested, self.signal = True, signal

    def check(self) -> None:
        """Raise Stopped if a stop was requested: for long work whose result is not needed after a stop."""
        if self.requested:
            raise Stopped


NEVER = Stop()  # for work that stops only with the process
