"""Measuring contenders in turns.

The speed of a machine drifts with its temperature and other processes. Measured A B A B, both sides of a ratio have the same drift, and the spread
of the ratios of the rounds is a measure of the error of their median.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks import allocator

Action = Callable[[], object]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Contender:
    """One implementation of the work. `prepare` does everything that is not timed and returns the timed action; cleanup goes on the stack.

    `keeps_freed`: it sets the C library to retain freed memory, which must not affect the others in the same process.
    """

    name: str
    prepare: Callable[[ExitStack], Action]
    keeps_freed: bool = False


@dataclass(frozen=True)
class Ready:
    """A contender that has run once."""

    action: Action
    first: float  # seconds of that run, which fills caches
    keeps_freed: bool = False


@dataclass(frozen=True)
class Times:
    """Seconds of one call of a contender's action in each round."""

    seconds: tuple[float, ...]
    calls: int  # number of calls averaged in each round


@dataclass(frozen=True)
class Spread:
    """Median, lowest and highest of the rounds."""

    median: float
    low: float
    high: float


def prepare(
    contenders: Sequence[Contender], stack: ExitStack, clock: Clock = time.perf_counter
) -> tuple[dict[str, Ready], dict[str, str]]:
    """Prepare the contenders and run each once to warm up; return them by name, and the errors of those that failed.

    A comparison continues without a peer that does not work; the report contains its error.
    """
    ready, failed = dict[str, Ready](), dict[str, str]()
    for contender in contenders:
        try:
            action = contender.prepare(stack)
            started = clock()
            action()
        except Exception as error:
            failed[contender.name] = f"{type(error).__name__}: {str(error).strip() or 'no message'}".splitlines()[0]
        else:
            ready[contender.name] = Ready(action, clock() - started, contender.keeps_freed)
    return ready, failed


def measure_in_turns(
    ready: Mapping[str, Ready],
    repeats: int,
    least_seconds: float,
    tick: Callable[[str], None] = lambda _: None,
    clock: Clock = time.perf_counter,
) -> dict[str, Times]:
    """Measure each action once per round in `repeats` rounds; fast ones are called several times, for at least `least_seconds` per round.

    `tick` is called with the name of each action that was measured.
    """
    calls = {name: _calls(contender, least_seconds, clock) for name, contender in ready.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ready}
    for _ in range(repeats):
        for name, contender in ready.items():
            (allocator.retain_freed if contender.keeps_freed else allocator.return_freed)()
            started = clock()
            for _ in range(calls[name]):
                contender.action()
            seconds[name].append((clock() - started) / calls[name])
            tick(name)
    return {name: Times(tuple(measured), calls[name]) for name, measured in seconds.items()}


def _calls(ready: Ready, least_seconds: float, clock: Clock) -> int:
    # The first run is slower than the next ones; only if it is much longer than needed is one call enough.
    if ready.first > 3.0 * least_seconds:
        return 1
    started = clock()
    ready.action()
    once = clock() - started
    return max(1, round(least_seconds / once)) if once > 0.0 else 1


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Their time divided by ours, for each round."""
    return [their / our for our, their in zip(ours, theirs, strict=True)]


def spread(values: Sequence[float]) -> Spread:
    """Median, smallest and largest of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))
