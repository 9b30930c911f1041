"""Contenders that take turns, and what their times say.

A machine's speed drifts with heat and neighbours. Measured A B A B, both sides of a ratio see the same drift, and the spread of the rounds' ratios
tells how far the median is to be believed.
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
    """One way to do the work. `prepare` makes what is not timed and returns what is; what must be undone goes on the stack.

    `keeps_freed`: it has the C library keep freed memory, which the others, in the same process, shall have no part in.
    """

    name: str
    prepare: Callable[[ExitStack], Action]
    keeps_freed: bool = False


@dataclass(frozen=True)
class Ready:
    """A contender that has run once."""

    action: Action
    first: float  # seconds of that run, in which caches fill
    keeps_freed: bool = False


@dataclass(frozen=True)
class Times:
    """Seconds of one call of a contender's action in each round."""

    seconds: tuple[float, ...]
    calls: int  # averaged over in each round


@dataclass(frozen=True)
class Spread:
    """The middle of the rounds, and their ends."""

    median: float
    low: float
    high: float


def prepared(
    contenders: Sequence[Contender], stack: ExitStack, clock: Clock = time.perf_counter
) -> tuple[dict[str, Ready], dict[str, str]]:
    """The contenders by name, each run once to warm up; and why those that failed did.

    A comparison goes on without a peer that does not work here; the report says what it said.
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


def interleaved(
    ready: Mapping[str, Ready],
    repeats: int,
    least_seconds: float,
    tick: Callable[[str], None] = lambda _: None,
    clock: Clock = time.perf_counter,
) -> dict[str, Times]:
    """Each action once per round, in turn, `repeats` rounds; quick ones are called as often as fills `least_seconds`, equally often in each round.

    `tick` hears the name of what has just been measured.
    """
    calls = {name: _calls(each, least_seconds, clock) for name, each in ready.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ready}
    for _ in range(repeats):
        for name, each in ready.items():
            (allocator.keep if each.keeps_freed else allocator.give_back)()
            started = clock()
            for _ in range(calls[name]):
                each.action()
            seconds[name].append((clock() - started) / calls[name])
            tick(name)
    return {name: Times(tuple(measured), calls[name]) for name, measured in seconds.items()}


def _calls(ready: Ready, least_seconds: float, clock: Clock) -> int:
    # A first run is slower than the next ones; it only tells that once is enough where it is slower by far.
    if ready.first > 3.0 * least_seconds:
        return 1
    started = clock()
    ready.action()
    once = clock() - started
    return max(1, round(least_seconds / once)) if once > 0.0 else 1


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """How many times as long they took, round by round."""
    return [their / our for our, their in zip(ours, theirs, strict=True)]


def spread(values: Sequence[float]) -> Spread:
    """Median, least and greatest of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))
