"""What a run says while it goes: one stream, read by the command line, the tracker and sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from PIL.Image import Image

Phase = Literal["training", "evaluating", "finished", "killed"]


@dataclass(frozen=True)
class Progress:
    """One moment of a run. `metrics`, `cards` and `pictures` hold what is new at this step, and are often empty."""

    phase: Phase
    step: int
    done: int = 0  # of `total`: optimizer steps while training, images while evaluating
    total: int = 0
    what: str = ""  # what an evaluation is at, in a few words
    images_per_second: float | None = None
    seconds_left: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    cards: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by metric: what the number must be told with
    pictures: Mapping[str, Image] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)  # by file name: what is no single picture, e.g. an animation
    warnings: tuple[str, ...] = ()  # what this step lacks, and why
    checkpoint: bool = False  # a checkpoint of this step has just been written


class Stopped(Exception):
    """Work was left because a stop is requested."""


class Stop:
    """A wish to stop, made by a signal handler and heard after the current step; `within` another one, whose wish it shares."""

    def __init__(self, within: Stop | None = None) -> None:
        self._requested, self._within = False, within
        self.signal: int | None = None

    @property
    def requested(self) -> bool:
        """Whether to stop."""
        return self._requested or (self._within is not None and self._within.requested)

    def request(self, signal: int | None = None) -> None:
        """Stop as soon as nothing would be lost; `signal` is the one that asked for it."""
        self._requested, self.signal = True, signal

    def check(self) -> None:
        """Raise Stopped if a stop is requested: for work that takes long and whose result is not needed then."""
        if self.requested:
            raise Stopped


NEVER = Stop()  # for work that only the end of the process stops
