"""The training loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn

from workbench.compute import TRAINING, explain_out_of_memory, peak_memory
from workbench.errors import NonFiniteLoss
from workbench.evaluation import evaluate
from workbench.model import Parts, keyed_seed
from workbench.progress import Progress, Stop, Stopped
from workbench.recipe import Train
from workbench.training import checkpoint as checkpoints
from workbench.training.average import WeightAverage
from workbench.training.batches import Batches, prefetch
from workbench.training.checkpoint import About, Checkpoint, TrainState
from workbench.training.environment import environment, recipe_hash
from workbench.training.gradients import gradient_function
from workbench.training.non_finite import NonFiniteWatch
from workbench.training.rate import learning_rate
from workbench.training.validation import bucket_of, validation_losses


def train(
    parts: Parts,
    folder: Path,
    *,
    resume: Checkpoint | None = None,
    stop: Stop | None = None,
    run: str = "",
    recorded: Callable[[], int] = int,
) -> Iterator[Progress]:
    """Train to the recipe's last step, or minute, yielding `Progress`; checkpoints go to `folder`.

    With `resume`, go on from that checkpoint. When `stop` is requested, the step is finished, a checkpoint written, and the last
    `Progress` says "killed". Checkpoints carry the id of the `run` and how many numbers it has `recorded`. Raises NonFiniteLoss before the
    optimizer step that would spoil the weights, OutOfMemory where a batch does not fit.
    """
    recipe, settings = parts.recipe, parts.recipe.train
    stop = stop or Stop()
    network = parts.network.train()
    computed = parts.compute.for_training(network)
    average = WeightAverage(network, settings.ema)
    optimizer = _optimizer(parts)
    batches = Batches(recipe, parts.train, parts.objective, parts.device)
    watch = NonFiniteWatch(optimizer, parts.device)
    state, kept = TrainState(run=run), resume
    about = About(recipe_hash(parts), environment(parts), parts.compute.choices_used)
    if resume is not None:
        state = checkpoints.restore(resume, network, average.network, optimizer)
        parts.compute.restore_choices(resume.choices())

    def keep() -> Checkpoint:
        state.recorded = recorded()
        return checkpoints.save(folder, state, network, average.network, optimizer, about)

    def validated() -> Iterator[Progress]:
        try:
            with explain_out_of_memory(TRAINING, settings.batch_size, kept.folder if kept else None):
                losses = validation_losses(parts, average.network, stop)
        except Stopped:  # made up for when the run is resumed
            return
        if state.best is None or losses["val/loss"] < state.best:
            state.best, state.best_step = losses["val/loss"], state.step
        state.validated = state.step
        yield pace.progress(parts, losses)

    def evaluated() -> Iterator[Progress]:
        yield from evaluate(parts, average.network, state.step, stop)
        if not stop.requested:  # one that was stopped is made up for when the run goes on
            state.evaluated = state.step

    def measured() -> Iterator[Progress]:
        if _validation_is_due(settings, state):
            yield from validated()
        if _evaluation_is_due(parts, state) and not stop.requested:
            yield from evaluated()

    pace = _Pace(state, settings.batch_size, parts.compute.clock)
    yield from measured()

    with explain_out_of_memory(TRAINING, settings.batch_size, kept.folder if kept else None):
        like = batches.at(state.step) if parts.compute.replayed else None
        gradients = gradient_function(parts.objective, computed, network, like)
    batch_of = batches.at if parts.device.type == "cpu" else prefetch(batches.at)
    while not state.has_reached(settings.steps, settings.max_minutes) and not stop.requested:
        with pace, explain_out_of_memory(TRAINING, settings.batch_size, kept.folder if kept else None):
            batch = batch_of(state.step)
            rate = learning_rate(settings, state.step)

            losses = gradients(batch, keyed_seed(recipe.seed, "dropout", state.step))  # [b]
            norm = nn.utils.clip_grad_norm_(network.parameters(), settings.clip or math.inf)
            watch.see(state.step, losses, norm)
            if watch.immediate or _looked_at(parts, state.step + 1):
                _check_finite(watch, batches, settings, kept)
                pace.arrived()
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            state.step += 1
            average.update(state.step)

        if state.step % settings.log_every == 0 or state.step == settings.steps:
            numbers = {"train/loss": float(losses.mean()), "train/gradient_norm": float(norm), "train/learning_rate": rate}
            clock = {"train/images_per_second": pace.images_per_second, "train/minutes": state.seconds / 60.0}
            yield pace.progress(parts, numbers | clock)
        yield from measured()
        if state.step % settings.checkpoint_every == 0:
            kept = keep()
            yield Progress("training", state.step, state.step, settings.steps, checkpoint=True)

    _check_finite(watch, batches, settings, kept)
    if kept is None or kept.state.step < state.step:
        keep()
        yield Progress("training", state.step, state.step, settings.steps, checkpoint=True)
    if not stop.requested:
        if state.validated < state.step:
            yield from validated()
        yield from evaluate(parts, average.network, state.step, stop, final=True)
    peak = {"train/peak_memory_mib": peak_memory(parts.device) / 2**20}
    yield Progress("killed" if stop.requested else "finished", state.step, state.step, settings.steps, metrics=peak)


def _optimizer(parts: Parts) -> torch.optim.Optimizer:
    settings = parts.recipe.train
    return torch.optim.AdamW(
        parts.network.parameters(),
        lr=settings.learning_rate,
        betas=(0.9, settings.beta2),
        weight_decay=settings.weight_decay,
        fused=True,
    )


def _validation_is_due(settings: Train, state: TrainState) -> bool:
    """True if the weights after this many steps are to be validated before the run continues, and have not been."""
    every = settings.validate_every
    return bool(every) and state.step > 0 and state.step % every == 0 and state.validated < state.step


def _evaluation_is_due(parts: Parts, state: TrainState) -> bool:
    """Whether the weights after this many steps are to be evaluated before the run goes on, and have not been."""
    settings = parts.recipe.evaluate
    if state.evaluated >= state.step or state.step >= parts.recipe.train.steps:
        return False
    return settings.at_start if state.step == 0 else bool(settings.every) and state.step % settings.every == 0


def _looked_at(parts: Parts, step: int) -> bool:
    """Whether something is made of the weights, or the loss told, after `step` steps: then a GPU is waited for anyway."""
    settings, every = parts.recipe.train, parts.recipe.evaluate.every
    periods = (settings.log_every, settings.validate_every, settings.checkpoint_every, every)
    return step == settings.steps or any(period and step % period == 0 for period in periods)


def _check_finite(watch: NonFiniteWatch, batches: Batches, settings: Train, kept: Checkpoint | None) -> None:
    trouble = watch.trouble()
    if trouble is None:
        return
    times = batches.at(trouble.step).t
    worst = times.min() if trouble.example is None else times[trouble.example]
    rate = learning_rate(settings, trouble.step)
    raise NonFiniteLoss(trouble.step, bucket_of(float(worst)), rate, kept.folder if kept else None)


class _Pace:
    """Measures steps: entering starts the clock of one, leaving stops it.

    A GPU is told of steps long before it takes them, so the pace is that of all steps since the host last waited for it.
    """

    def __init__(self, state: TrainState, batch_size: int, clock: Callable[[], float]) -> None:
        self._state, self._batch_size, self._clock = state, batch_size, clock
        self._seconds_per_step: float | None = None
        self._started = 0.0
        self._steps, self._seconds, self._waited = 0, 0.0, False

    def arrived(self) -> None:
        """The host has waited for the step that is being measured."""
        self._waited = True

    def __enter__(self) -> None:
        self._started = self._clock()

    def __exit__(self, *_: object) -> None:
        took = self._clock() - self._started
        self._state.seconds += took
        self._steps, self._seconds = self._steps + 1, self._seconds + took
        if self._waited:
            each, mean = self._seconds / self._steps, self._seconds_per_step
            self._seconds_per_step = each if mean is None else mean + (1.0 - 0.95**self._steps) * (each - mean)
            self._steps, self._seconds, self._waited = 0, 0.0, False

    @property
    def images_per_second(self) -> float:
        return self._batch_size / self._seconds_per_step if self._seconds_per_step else 0.0

    def progress(self, parts: Parts, metrics: dict[str, float]) -> Progress:
        settings, step = parts.recipe.train, self._state.step
        left = (settings.steps - step) * (self._seconds_per_step or 0.0)
        if settings.max_minutes is not None:
            left = min(left, max(60.0 * settings.max_minutes - self._state.seconds, 0.0))
        return Progress(
            "training", step, step, settings.steps, images_per_second=self.images_per_second, seconds_left=left, metrics=metrics
        )
