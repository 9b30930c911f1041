"""Messages between a coordinator and its worker processes: one JSON document per line."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import IO, Any, Literal

from workbench.sweep.ledger import TrialOutcome


@dataclass(frozen=True)
class Task:
    """The task of a worker: a trial, or measuring a trained one again."""

    kind: Literal["trial", "confirm"]
    number: int
    run: str  # id of the trial's run folder
    overrides: tuple[str, ...] = ()
    trained_by: str = ""  # the run whose network is evaluated, if no axis changes the training
    parent: Mapping[str, str] = field(default_factory=dict)  # where the sweep is recorded
    seeds: tuple[int, ...] = ()  # of the images, for "confirm"
    samples: int = 0

    def message(self) -> dict[str, Any]:
        """The message that carries it."""
        return {"task": asdict(self)}

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Task:
        """The task in a message."""
        fields = dict(message["task"])
        return cls(**{**fields, "overrides": tuple(fields["overrides"]), "seeds": tuple(fields["seeds"])})


class Wire:
    """The worker's end of the pipes. A thread reads, so that the end of the coordinator is noticed during a trial; then `on_end` is called."""

    def __init__(self, incoming: IO[str], outgoing: IO[str], on_end: Callable[[], None]) -> None:
        self._outgoing, self._on_end = outgoing, on_end
        self._messages: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._read, args=(incoming,), daemon=True).start()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; a closed pipe counts as the end of the coordinator."""
        try:
            self._outgoing.write(json.dumps(message) + "\n")
            self._outgoing.flush()
        except (OSError, ValueError):
            self._on_end()

    def receive(self) -> dict[str, Any] | None:
        """The next message; None if the coordinator has no more, or has ended."""
        message = self._messages.get()
        if message is None:
            self._messages.put(None)
        return message

    def _read(self, incoming: IO[str]) -> None:
        for line in incoming:
            self._messages.put(json.loads(line))
        self._messages.put(None)
        self._on_end()


def outcome_to_dict(outcome: TrialOutcome) -> dict[str, Any]:
    """An outcome as part of a message."""
    return asdict(outcome)


def outcome_from_dict(fields: Mapping[str, Any]) -> TrialOutcome:
    """The outcome in a message."""
    return TrialOutcome(**{**fields, "values": tuple(fields["values"])})
