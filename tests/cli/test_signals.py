"""Signals: the first one stops a run with a checkpoint, whichever it is."""

import os
import signal

import pytest

from workbench.cli.signals import exit_on_signals, stop_on_signals
from workbench.progress import Stop

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _restore_handlers():
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", ENDING)
def test_the_first_signal_requests_a_stop_and_is_reported_once(number):
    stop, reports = Stop(), []
    before = signal.getsignal(number)
    with stop_on_signals(stop, lambda: reports.append(number)):
        send(number)
        assert (stop.requested, stop.signal, reports) == (True, number, [number])
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("numbers", [[signal.SIGHUP] * 3, [signal.SIGTERM, signal.SIGHUP], [signal.SIGHUP, signal.SIGTERM]])
def test_what_a_closed_terminal_or_a_service_manager_sends_stops_once(numbers):
    stop = Stop()
    with stop_on_signals(stop, lambda: None):
        for number in numbers:
            send(number)
    assert stop.signal == numbers[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_same_signal_again_stops_at_once(number):
    with stop_on_signals(Stop(), lambda: None):
        send(number)
        with pytest.raises(KeyboardInterrupt):
            send(number)


def test_a_signal_in_the_middle_of_a_write_stops_too():
    def interrupted_write():
        raise RuntimeError("reentrant call inside <_io.BufferedWriter>")

    stop = Stop()
    with stop_on_signals(stop, interrupted_write):
        send(signal.SIGTERM)
    assert stop.requested


def test_a_hangup_that_is_ignored_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    stop = Stop()
    with exit_on_signals(), stop_on_signals(stop, lambda: None):
        send(signal.SIGHUP)
    assert not stop.requested


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_every_command_cleans_up_when_it_is_ended(number):
    signal.signal(number, signal.SIG_DFL)
    cleaned = []
    with pytest.raises(SystemExit) as caught, exit_on_signals():
        try:
            send(number)
        finally:
            cleaned.append(number)
    assert (caught.value.code, cleaned) == (128 + number, [number])
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_handler_of_the_caller_is_kept():
    received = []
    signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    with exit_on_signals():
        send(signal.SIGTERM)
    assert received == [signal.SIGTERM]
