"""Load the trained network of a run folder."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from workbench.compute import choose_compute
from workbench.errors import CheckpointError
from workbench.evaluation import evaluate
from workbench.home import cache_folder
from workbench.interfaces import SampleSpec
from workbench.model import Parts, build_network, objective_of
from workbench.progress import Progress, Stop
from workbench.recipe import Recipe
from workbench.runs.folder import RunFolder
from workbench.runs.spec import RunSpec
from workbench.sampling import Generator
from workbench.training import checkpoint as checkpoints


def load_generator(run: RunFolder, recipe: Recipe, spec: SampleSpec, device: torch.device) -> tuple[Generator, int]:
    """Load the averaged weights of a run's newest checkpoint; return a generator of samples of `spec` and the step of the checkpoint."""
    newest = newest_checkpoint(run)
    network = build_network(recipe, spec)
    checkpoints.load_average(newest, network)
    network = network.to(device)
    compute = choose_compute(recipe.train, network, spec, device, cache_folder(run.home), trains=False)
    return Generator(network, objective_of(recipe), spec, compute), newest.state.step


def reevaluate(parts: Parts, run: RunFolder, stop: Stop) -> Iterator[Progress]:
    """Evaluate the averaged weights of another run's newest checkpoint as the last part of a run."""
    spec = RunSpec.read(run)
    if spec is not None:
        spec.check_meaning(run, parts.spec, conditional=parts.recipe.train.condition)
    newest = newest_checkpoint(run)
    checkpoints.load_average(newest, parts.network)
    step = newest.state.step
    yield from evaluate(parts, parts.network, step, stop, final=True)
    yield Progress("killed" if stop.requested else "finished", step, step, step)


def newest_checkpoint(run: RunFolder) -> checkpoints.Checkpoint:
    """The newest checkpoint of a run; CheckpointError if there is none."""
    newest = checkpoints.latest_checkpoint(run.checkpoints)
    if newest is None:
        raise CheckpointError(f"run {run.id} has no checkpoint yet: wb run --resume {run.id}")
    return newest
