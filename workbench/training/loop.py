"""The training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from workbench.compute import peak_memory
from workbench.evaluation import evaluate
from workbench.model import Parts
from workbench.progress import Progress, Stop, Stopped
from workbench.training.batches import Batches, prefetch
from workbench.training.cadence import Cadence
from workbench.training.checkpoint import Checkpoint
from workbench.training.learner import Learner
from workbench.training.pace import Pace
from workbench.training.validation import validation_losses


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

    With `resume`, continue from that checkpoint. When `stop` is requested, the step is finished, a checkpoint written, and the last
    `Progress` has the phase "killed". Checkpoints carry the id of the `run` and how many numbers it has `recorded`. Raises NonFiniteLoss
    before the optimizer step that would spoil the weights, OutOfMemory where a batch does not fit.
    """
    settings, stop, cadence = parts.recipe.train, stop or Stop(), Cadence(parts.recipe)
    learner = Learner(parts, folder, resume=resume, run=run, recorded=recorded)
    state, pace = learner.state, Pace(settings, learner.state, parts.compute.clock)
    batches = Batches(parts.recipe, parts.train, parts.objective, parts.device)
    on_cpu = parts.device.type == "cpu"
    batch_of = batches.at if on_cpu else prefetch(batches.at)

    yield from _measure_where_due(parts, learner, cadence, pace, stop)
    while not state.has_reached(settings.steps, settings.max_minutes) and not stop.requested:
        synchronize = on_cpu or cadence.synchronizes(state.step + 1)
        with pace.step(synchronized=synchronize), learner.memory_errors():
            result = learner.step(batch_of(state.step), synchronize=synchronize)
        if cadence.logs(state.step):
            yield pace.progress(result.metrics() | pace.metrics())
        yield from _measure_where_due(parts, learner, cadence, pace, stop)
        if cadence.saves(state.step):
            yield _save(learner, settings.steps)
    learner.check_finite()

    if not learner.is_saved():
        yield _save(learner, settings.steps)
    if not stop.requested:
        if state.validated < state.step:
            yield from _validate(parts, learner, pace, stop)
        yield from evaluate(parts, learner.average, state.step, stop, final=True)
    peak = {"train/peak_memory_mib": peak_memory(parts.device) / 2**20}
    yield Progress("killed" if stop.requested else "finished", state.step, state.step, settings.steps, metrics=peak)


def _measure_where_due(parts: Parts, learner: Learner, cadence: Cadence, pace: Pace, stop: Stop) -> Iterator[Progress]:
    """Validate and evaluate the averaged weights where the cadence says so and a resumed run has not done so yet."""
    state = learner.state
    if cadence.validates(state.step) and state.validated < state.step:
        yield from _validate(parts, learner, pace, stop)
    if cadence.evaluates(state.step) and state.evaluated < state.step and not stop.requested:
        yield from evaluate(parts, learner.average, state.step, stop)
        if not stop.requested:  # an evaluation that was stopped is repeated when the run is resumed
            state.evaluated = state.step


def _validate(parts: Parts, learner: Learner, pace: Pace, stop: Stop) -> Iterator[Progress]:
    state = learner.state
    try:
        with learner.memory_errors():
            losses = validation_losses(parts, learner.average, stop)
    except Stopped:  # repeated when the run is resumed
        return
    if state.best is None or losses["val/loss"] < state.best:
        state.best, state.best_step = losses["val/loss"], state.step
    state.validated = state.step
    yield pace.progress(losses)


def _save(learner: Learner, steps: int) -> Progress:
    step = learner.save().state.step
    return Progress("training", step, step, steps, checkpoint=True)
