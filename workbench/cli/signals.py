"""Handle the signals that end a command: Ctrl-C, SIGTERM, and the SIGHUP of a closed terminal."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from workbench.progress import Stop

Handler = Callable[[int, FrameType | None], object]


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Raise SystemExit(128 + signal) on SIGTERM and SIGHUP within the block, so that unfinished files are cleaned up."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    unhandled = [number for number in (signal.SIGTERM, *hangup_signals()) if signal.getsignal(number) is signal.SIG_DFL]
    with _handlers(dict.fromkeys(unhandled, leave)):
        yield


@contextmanager
def stop_on_signals(stop: Stop, report: Callable[[], None]) -> Iterator[None]:
    """Request `stop` and call `report` at the first signal within the block; a second Ctrl-C or SIGTERM raises KeyboardInterrupt.

    A second SIGHUP does not: a closing terminal sends it more than once, and service managers send it after SIGTERM.
    """
    received = set[int]()

    def request(number: int, frame: FrameType | None) -> None:
        if number in received and number not in hangup_signals():
            raise KeyboardInterrupt
        received.add(number)
        if stop.requested:
            return
        stop.request(number)
        with suppress(RuntimeError):  # reentrant call: the signal arrived while the same stream was being written
            report()

    with _handlers(dict.fromkeys((signal.SIGINT, signal.SIGTERM, *hangup_signals()), request)):
        yield


def hangup_signals() -> list[signal.Signals]:
    """SIGHUP, except where it does not exist (Windows) or is ignored (nohup)."""
    hangup = getattr(signal, "SIGHUP", None)
    return [] if hangup is None or signal.getsignal(hangup) is signal.SIG_IGN else [hangup]


@contextmanager
def _handlers(handlers: dict[signal.Signals, Handler]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
