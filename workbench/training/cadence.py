"""When a run logs, validates, evaluates, saves and synchronises, as a function of the step."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.recipe import Recipe


@dataclass(frozen=True)
class Cadence:
    """The periods of a recipe. Every method takes the number of optimizer steps made so far."""

    recipe: Recipe

    def logs(self, step: int) -> bool:
        """True if the numbers of the step just made are logged."""
        return step % self.recipe.train.log_every == 0 or step == self.recipe.train.steps

    def validates(self, step: int) -> bool:
        """True if the validation loss is measured before the next step."""
        return step > 0 and _is_multiple(step, self.recipe.train.validate_every)

    def evaluates(self, step: int) -> bool:
        """True if samples are drawn and measured before the next step; after the last one a run does so in any case."""
        if step >= self.recipe.train.steps:
            return False
        return self.recipe.evaluate.at_start if step == 0 else _is_multiple(step, self.recipe.evaluate.every)

    def saves(self, step: int) -> bool:
        """True if a checkpoint is written before the next step."""
        return _is_multiple(step, self.recipe.train.checkpoint_every)

    def synchronizes(self, step: int) -> bool:
        """True if this step logs, validates, evaluates, saves or is the last one, and so waits for the device anyway."""
        due = self.logs(step) or self.validates(step) or self.evaluates(step) or self.saves(step)
        return due or step == self.recipe.train.steps


def _is_multiple(step: int, period: int) -> bool:
    return period > 0 and step % period == 0
