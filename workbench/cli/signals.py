"""Signals that end a command: Ctrl-C, SIGTERM, and the SIGHUP of a closed terminal."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from workbench.progress import Stop

Handler = Callable[[int, FrameType | None], object]


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit within the block, so that what is half done is cleaned up; the exit code is 128 + signal."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    unhandled = [each for each in (signal.SIGTERM, *hangup_signals()) if signal.getsignal(each) is signal.SIG_DFL]
    with _handled(dict.fromkeys(unhandled, leave)):
        yield


@contextmanager
def stop_on_signals(stop: Stop, report: Callable[[], None]) -> Iterator[None]:
    """Request `stop` at the first signal within the block, and `report` it; Ctrl-C or SIGTERM a second time raises KeyboardInterrupt.

    SIGHUP never does that: a terminal that is closed sends it more than once, and service managers send it after SIGTERM.
    """
    received = set[int]()

    def request(number: int, frame: FrameType | None) -> None:
        if number in received and number not in hangup_signals():
            raise KeyboardInterrupt
        received.add(number)
        if stop.requested:
            return
        stop.request(number)
        with suppress(RuntimeError):  # the signal came while the same stream was being written
            report()

    with _handled(dict.fromkeys((signal.SIGINT, signal.SIGTERM, *hangup_signals()), request)):
        yield


def hangup_signals() -> list[signal.Signals]:
    """SIGHUP, except where it does not exist (Windows) or is ignored (nohup)."""
    hangup = getattr(signal, "SIGHUP", None)
    return [] if hangup is None or signal.getsignal(hangup) is signal.SIG_IGN else [hangup]


@contextmanager
def _handled(handlers: dict[signal.Signals, Handler]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
