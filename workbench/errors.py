"""Everything that can go wrong by a user's or a plugin's doing.

WorkbenchError
├── RecipeError            what a recipe says cannot be understood or built; holds every `Problem` found
├── ComponentError         a component cannot be found or used
│   ├── UnknownComponent   nothing installed claims the name
│   ├── AmbiguousComponent two distributions claim the name
│   └── BrokenComponent    it is installed, but cannot be imported or is not what it claims to be
├── CombinationError       parts that are fine alone do not work together
├── DataError              a dataset is missing, empty or damaged
├── WeightsError           weights are missing, incomplete or not the expected bytes
├── TrainingError          training cannot go on
│   └── NonFiniteLoss      the loss became nan or infinite
├── OutOfMemory            memory does not hold what is computed at once
├── DistanceError          a distance between generated and real images cannot be computed
├── SamplingError          a sampler or a network gave what is no image
├── ScaffoldError          a new plugin package or recipe cannot be made
├── CheckpointError        a run or checkpoint is missing or unreadable
├── JournalError           what a run tells cannot be written down, or read again
├── StorageError           a file cannot be written: the disk is full, or the folder forbidden
├── SweepError             a sweep cannot be begun, gone on with or read
├── LauncherError          a scheduler is not there, or refuses to start workers
└── TrackingError          the tracking store cannot be reached or used
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class WorkbenchError(Exception):
    """The root: its text is meant for the user and says what to do."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a recipe: where, which key, what is wrong and what would be right."""

    where: str  # a file's path, "--set" or "recipe"
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = self.where if self.line is None else f"{self.where}:{self.line}"
        return ": ".join(part for part in (place, self.key, self.message) if part)


class RecipeError(WorkbenchError):
    """A recipe that cannot be used, with every problem that was found."""

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
    """An installed component cannot be imported, or is not what its entry point says."""


class CombinationError(WorkbenchError):
    """Parts that are fine alone do not work together; `key` is the recipe field to change."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class DataError(WorkbenchError):
    """A dataset is missing, empty or damaged."""


class WeightsError(WorkbenchError):
    """Weights are missing, incomplete or not the expected bytes."""


class TrainingError(WorkbenchError):
    """Training cannot go on."""


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
    """Memory does not hold what is computed at once."""


class DistanceError(WorkbenchError):
    """A distance between generated and real images cannot be computed; everything else about them can."""


class SamplingError(WorkbenchError):
    """A sampler or a network gave something else than finite images of the right shape."""


class ScaffoldError(WorkbenchError):
    """A new plugin package or recipe cannot be made: its name is taken or not valid, or its folder cannot be written."""


class CheckpointError(WorkbenchError):
    """A run or a checkpoint is missing, incomplete or unreadable."""


class JournalError(WorkbenchError):
    """What a run tells cannot be written down, or read again."""


class StorageError(WorkbenchError):
    """A file cannot be written: the disk is full, or the folder forbidden."""


class LauncherError(WorkbenchError):
    """A scheduler is not there, or refuses to start workers."""


class SweepError(WorkbenchError):
    """A sweep cannot be begun, gone on with or read."""


class TrackingError(WorkbenchError):
    """The tracking store cannot be reached or used."""
