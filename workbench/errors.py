"""Errors that a user or a plugin can cause.

WorkbenchError
├── RecipeError            a recipe cannot be read, understood or built; holds every `Problem`
├── ComponentError         a component cannot be found or used
│   ├── UnknownComponent   nothing installed claims the name
│   ├── AmbiguousComponent two distributions claim the name
│   └── BrokenComponent    it is installed, but cannot be imported or is not what it declares
├── CombinationError       parts that are valid alone do not work together
├── DataError              a dataset is missing, empty or damaged
├── WeightsError           weights are missing, incomplete or not the expected bytes
 ├── DownloadError          a file cannot be downloaded, or is not the expected one
 ├── TrainingError          training cannot continue
│   └── NonFiniteLoss      the loss became nan or infinite
├── OutOfMemory            there is not enough memory for what is computed at once
├── DistanceError          a distance between generated and real images cannot be computed
├── SamplingError          a sampler or a network returned something else than images
├── ScaffoldError          a new plugin package or recipe cannot be created
├── CheckpointError        a run or checkpoint is missing or unreadable
├── JournalError           the journal of a run cannot be written or read
├── StorageError           a file cannot be written: the disk is full, or the folder is not writable
├── SweepError             a sweep cannot be started, resumed or read
├── LauncherError          a scheduler is missing, or refuses to start workers
└── TrackingError          the tracking store cannot be reached or used
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class WorkbenchError(Exception):
    """The root; its text is for the user and states what to do."""


@dataclass(frozen=True)
class Problem:
    """One fault of a recipe: place, key, and a message with the fault and the remedy."""

    where: str  # a file's path, "--set" or "recipe"
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = self.where if self.line is None else f"{self.where}:{self.line}"
        return ": ".join(part for part in (place, self.key, self.message) if part)


class RecipeError(WorkbenchError):
    """A recipe cannot be used; holds every problem."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class ComponentError(WorkbenchError):
    """A component cannot be found or used."""


class UnknownComponent(ComponentError):
    """No installed distribution offers a component of that name."""


class AmbiguousComponent(ComponentError):
    """Several installed distributions offer a component of the same name."""


class BrokenComponent(ComponentError):
    """An installed component cannot be imported, or is not what its entry point declares."""


class CombinationError(WorkbenchError):
    """Parts that are valid alone do not work together; `key` is the recipe field to change."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class DataError(WorkbenchError):
    """A dataset is missing, empty or damaged."""


class WeightsError(WorkbenchError):
    """Weights are missing, incomplete or not the expected bytes."""


class DownloadError(WorkbenchError):
    """A file cannot be downloaded, or its bytes are not the expected ones."""


class TrainingError(WorkbenchError):
    """Training cannot continue."""


class NonFiniteLoss(TrainingError):
    """The loss of a step was nan or infinite; the optimizer has not been stepped."""

    def __init__(self, step: int, bucket: tuple[float, float], learning_rate: float, kept: Path | None) -> None:
        low, high = bucket
        last = f"the last good checkpoint is kept in {kept}" if kept else "no checkpoint had been written yet"
        super().__init__(
            f"step {step}: the loss is not finite (t between {low:g} and {high:g}, learning rate {learning_rate:g}); {last}. "
            f"Lower train.learning_rate or train.clip, lengthen train.warmup, or use train.precision = 'fp32'."
        )
        self.step = step


class OutOfMemory(WorkbenchError):
    """There is not enough memory for what is computed at once."""


class DistanceError(WorkbenchError):
    """A distance between generated and real images cannot be computed; other measurements can."""


class SamplingError(WorkbenchError):
    """A sampler or a network returned something else than finite images of the right shape."""


class ScaffoldError(WorkbenchError):
    """A new plugin package or recipe cannot be created: its name is taken or not valid, or its folder cannot be written."""


class CheckpointError(WorkbenchError):
    """A run or a checkpoint is missing, incomplete or unreadable."""


class JournalError(WorkbenchError):
    """The journal of a run cannot be written or read."""


class StorageError(WorkbenchError):
    """A file cannot be written: the disk is full, or the folder is not writable."""


class LauncherError(WorkbenchError):
    """A scheduler is not there, or refuses to start workers."""


class SweepError(WorkbenchError):
    """A sweep cannot be started, resumed or read."""


class TrackingError(WorkbenchError):
    """The tracking store cannot be reached or used."""
