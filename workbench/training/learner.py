"""The learner: one training step, and the checkpoints of its state."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from workbench.compute import explain_out_of_memory
from workbench.errors import NonFiniteLoss
from workbench.model import Parts, keyed_seed
from workbench.training import checkpoint as checkpoints
from workbench.training.average import WeightAverage
from workbench.training.batches import Batch
from workbench.training.checkpoint import About, Checkpoint, TrainState
from workbench.training.divergence import NonFiniteWatch
from workbench.training.environment import environment, recipe_hash
from workbench.training.gradients import Gradients, gradient_function
from workbench.training.rate import learning_rate
from workbench.training.validation import bucket_of


@dataclass(frozen=True)
class StepResult:
    """What one training step measured; tensors stay on the device."""

    losses: Tensor  # [b]
    gradient_norm: Tensor  # [], before clipping
    learning_rate: float

    def metrics(self) -> dict[str, float]:
        """The numbers to log; waits for the device."""
        return {
            "train/loss": float(self.losses.mean()),
            "train/gradient_norm": float(self.gradient_norm),
            "train/learning_rate": self.learning_rate,
        }


class Learner:
    """A network in training, its optimizer and the average of its weights.

    `state` holds the number of steps made, `checkpoint` the newest one on disk. `resume` is a checkpoint to start from; checkpoints carry the
    id of the `run` and how many numbers its journal has `recorded`.
    """

    def __init__(
        self, parts: Parts, folder: Path, *, resume: Checkpoint | None, run: str = "", recorded: Callable[[], int] = int
    ) -> None:
        self._parts, self._settings, self._folder, self._recorded = parts, parts.recipe.train, folder, recorded
        self._network = parts.network.train()
        self._computed = parts.compute.for_training(self._network)
        self._average = WeightAverage(self._network, self._settings.ema)
        self._optimizer = _adamw(parts)
        self._watch = NonFiniteWatch(self._optimizer, parts.device)
        self._about = About(recipe_hash(parts), environment(parts), parts.compute.choices_used)
        self._gradients: Gradients | None = None
        self.state, self.checkpoint = TrainState(run=run), resume
        if resume is not None:
            self.state = checkpoints.restore(resume, self._network, self._average.network, self._optimizer)
            parts.compute.restore_choices(resume.choices())

    @property
    def average(self) -> nn.Module:
        """The network with the averaged weights."""
        return self._average.network

    def step(self, batch: Batch, *, synchronize: bool) -> StepResult:
        """Train on one batch.

        With `synchronize`, wait for the device and check the steps since the last check. Raises NonFiniteLoss, with the weights as they were
        before the step that would spoil them.
        """
        step, settings = self.state.step, self._settings
        rate = learning_rate(settings, step)

        losses = self._gradients_for(batch)(batch, keyed_seed(self._parts.recipe.seed, "dropout", step))  # [b]
        norm = nn.utils.clip_grad_norm_(self._network.parameters(), settings.clip or math.inf)
        self._watch.add(step, batch.t, losses, norm)
        if synchronize:
            self.check_finite()
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self.state.step += 1
        self._average.update(self.state.step)

        return StepResult(losses, norm, rate)

    def check_finite(self) -> None:
        """Raise NonFiniteLoss if a loss or gradient since the last check was not finite; waits for the device."""
        found = self._watch.first()
        if found is not None:
            newest = None if self.checkpoint is None else self.checkpoint.folder
            raise NonFiniteLoss(found.step, bucket_of(found.time), learning_rate(self._settings, found.step), newest)

    def save(self) -> Checkpoint:
        """Write a checkpoint of the current state."""
        self.state.recorded = self._recorded()
        self.checkpoint = checkpoints.save(
            self._folder, self.state, self._network, self._average.network, self._optimizer, self._about
        )
        return self.checkpoint

    def is_saved(self) -> bool:
        """True if the newest checkpoint holds the current state."""
        return self.checkpoint is not None and self.checkpoint.state.step >= self.state.step

    def memory_errors(self) -> AbstractContextManager[None]:
        """A context that turns out-of-memory errors into OutOfMemory, which names the recipe field to change and the newest checkpoint."""
        key, rows = ("train.batch_size", self._settings.batch_size)
        if self._settings.rows_at_once < rows:
            key, rows = "train.micro_batch", self._settings.rows_at_once
        return explain_out_of_memory(key, rows, None if self.checkpoint is None else self.checkpoint.folder)

    def _gradients_for(self, batch: Batch) -> Gradients:
        # Built with the first batch, after the evaluation at the start: a recorded graph keeps the memory that it was recorded in.
        if self._gradients is None:
            recorded = batch if self._parts.compute.replayed else None
            rows = self._settings.rows_at_once
            self._gradients = gradient_function(self._parts.objective, self._computed, self._network, rows, recorded)
        return self._gradients


def _adamw(parts: Parts) -> torch.optim.Optimizer:
    settings = parts.recipe.train
    return torch.optim.AdamW(
        parts.network.parameters(),
        lr=settings.learning_rate,
        betas=(0.9, settings.beta2),
        weight_decay=settings.weight_decay,
        fused=True,
    )
