"""Measuring the best trials again, on new images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from workbench.home import cache_folder
from workbench.progress import Progress, Stop, Stopped
from workbench.recipe import Recipe
from workbench.runs import CombinationEvaluator, Measurement, RunFolder, read_run
from workbench.sweep.folder import SweepFolder
from workbench.sweep.ledger import TrialOutcome
from workbench.sweep.objectives import search_targets
from workbench.sweep.wire import Task

SEED_STRIDE = 7919  # seeds of new draws are far from the recipe's, with which the trials were measured


def confirmation_tasks(
    recipe: Recipe,
    outcomes: Mapping[int, TrialOutcome],
    ranked: Sequence[int],
    is_here: Callable[[str], bool],
    trained_once: bool,
) -> list[Task]:
    """Tasks for the best trials and trial 0, of those whose run is here; none if the metric does not depend on the images drawn."""
    settings = recipe.sweep
    if settings is None or settings.confirm == 0 or len(settings.objectives) > 1 or not search_targets(recipe)[0].is_of_images:
        return []
    chosen = dict.fromkeys([*ranked[: settings.confirm], *([0] if 0 in ranked else [])])
    seeds = tuple((recipe.seed + SEED_STRIDE * (1 + k)) % 2**32 for k in range(settings.confirm_seeds))
    samples = settings.confirm_samples or recipe.evaluate.samples
    trained_by = outcomes[0].run if trained_once else ""
    return [
        Task("confirm", number, outcomes[number].run, trained_by=trained_by, seeds=seeds, samples=samples)
        for number in chosen
        if is_here(outcomes[number].run)
    ]


def measure_draws(
    task: Task, folder: SweepFolder, device: torch.device, progress: Callable[[Progress], None], stop: Stop
) -> list[float] | None:
    """The metric for each seed; None if `stop` was requested. Draws that were measured before are read from the run's folder."""
    run = RunFolder(folder.home / "runs" / task.run)
    cache = cache_folder(folder.home)
    recipe, spec = read_run(run, cache)
    metric = search_targets(folder.loaded())[0].metric
    trained = RunFolder(folder.home / "runs" / task.trained_by) if task.trained_by else run
    values, total = [], len(task.seeds) * task.samples
    for k, seed in enumerate(task.seeds):
        measurement = Measurement(task.samples, seed, recipe.evaluate.real, recipe.evaluate.features)
        evaluator = CombinationEvaluator(trained, recipe, spec, measurement, device, cache, stop=stop)
        slot = recipe.evaluation_sampler

        def show(done: int, k: int = k) -> None:
            what = f"again, draw {k + 1} of {len(task.seeds)}"
            progress(Progress("evaluating", 0, k * task.samples + done, total, what))

        show(0)
        try:
            stop.check()
            evaluation = evaluator.kept(slot) or evaluator.measure(slot, show)
        except Stopped:
            return None
        values.append(float(evaluation.metrics[metric]))
    return values
