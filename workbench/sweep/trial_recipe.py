"""The name of a trial and the recipe it runs."""

from __future__ import annotations

import math

from workbench.errors import SweepError
from workbench.recipe import Recipe, Sweep, load
from workbench.sweep.folder import SweepFolder
from workbench.sweep.objectives import search_targets


def run_id(sweep: str, number: int) -> str:
    """The id of a trial's run; always the same, so that any worker that resumes the trial finds it."""
    return f"{sweep}-t{number:04d}"


def recipe_of(folder: SweepFolder, overrides: tuple[str, ...]) -> Recipe:
    """The recipe of a trial: the sweep's, with overrides."""
    recipe = load(folder.recipe, overrides)
    limit = settings_of(recipe).max_minutes
    if limit is None:
        return recipe
    minutes = min(limit, recipe.train.max_minutes or math.inf)
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"max_minutes": minutes})})


def prune_metric(recipe: Recipe) -> str | None:
    """The metric that trials are pruned by; None if nothing is pruned."""
    settings = settings_of(recipe)
    if settings.pruner == "none" or len(settings.objectives) > 1:
        return None
    return search_targets(recipe)[0].metric if _by_evaluation(recipe) else "val/loss"


def prune_every(recipe: Recipe) -> int:
    """Steps between two values that trials are pruned by; 0 if training ends before the first."""
    every = recipe.evaluate.every if _by_evaluation(recipe) else recipe.train.validate_every
    return every if every < recipe.train.steps else 0


def settings_of(recipe: Recipe) -> Sweep:
    """The [sweep] of a recipe that must have one."""
    if recipe.sweep is None:
        raise SweepError(f"the recipe {recipe.name} has no [sweep]")
    return recipe.sweep


def _by_evaluation(recipe: Recipe) -> bool:
    prune_by = settings_of(recipe).prune_by
    return prune_by == "metric" or (prune_by == "auto" and recipe.evaluate.every > 0)
