"""How fast training is, and how long the rest of it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from workbench.progress import Progress
from workbench.recipe import Train
from workbench.training.checkpoint import TrainState


class Pace:
    """Measures steps and adds their time to the training state.

    A GPU runs asynchronously: the pace is that of all steps since the last synchronised one.
    """

    def __init__(self, settings: Train, state: TrainState, clock: Callable[[], float]) -> None:
        self._settings, self._state, self._clock = settings, state, clock
        self._seconds_per_step: float | None = None
        self._steps, self._seconds = 0, 0.0  # since the last synchronised step

    @contextmanager
    def step(self, *, synchronized: bool) -> Iterator[None]:
        """Measure the step made in the block; `synchronized`: it waits for the device."""
        started = self._clock()
        try:
            yield
        finally:
            seconds = self._clock() - started
            self._state.seconds += seconds
            self._steps, self._seconds = self._steps + 1, self._seconds + seconds
            if synchronized:
                self._update()

    def _update(self) -> None:
        latest, mean = self._seconds / self._steps, self._seconds_per_step
        self._seconds_per_step = latest if mean is None else mean + (1.0 - 0.95**self._steps) * (latest - mean)
        self._steps, self._seconds = 0, 0.0

    @property
    def images_per_second(self) -> float:
        """Training images per second, averaged over recent steps; 0.0 before the first one."""
        return self._settings.batch_size / self._seconds_per_step if self._seconds_per_step else 0.0

    def metrics(self) -> dict[str, float]:
        """The numbers to log."""
        return {"train/images_per_second": self.images_per_second, "train/minutes": self._state.seconds / 60.0}

    def progress(self, metrics: Mapping[str, float]) -> Progress:
        """The training progress with these metrics and the time left."""
        settings, step = self._settings, self._state.step
        left = (settings.steps - step) * (self._seconds_per_step or 0.0)
        if settings.max_minutes is not None:
            left = min(left, max(60.0 * settings.max_minutes - self._state.seconds, 0.0))
        return Progress(
            "training", step, step, settings.steps, images_per_second=self.images_per_second, seconds_left=left, metrics=metrics
        )
