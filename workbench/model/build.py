"""Build the parts of a run from its recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from workbench.compute import Compute, choose_compute, explain_exhausted_memory
from workbench.diffusion import PARAMETERIZATIONS, Objective, check_combination
from workbench.interfaces import Examples, Resources, SampleSpec
from workbench.model.contract import check_examples, check_network
from workbench.recipe import Recipe
from workbench.registry import plugin_call


@dataclass(frozen=True)
class Parts:
    """The objects that training and evaluation work with."""

    recipe: Recipe
    spec: SampleSpec
    train: Examples
    test: Examples
    network: nn.Module
    objective: Objective
    device: torch.device
    compute: Compute
    cache: Path


def assemble(
    recipe: Recipe, device: torch.device, cache: Path, progress: Callable[[str, int, int], None] = lambda *_: None
) -> Parts:
    """Load the data and build the network and the objective.

    Raises DataError, CombinationError, WeightsError and BrokenComponent, all before any training.
    """
    spec = recipe.dataset.component.describe()
    objective = objective_of(recipe)
    for slot in recipe.evaluate.features:
        with plugin_call("features", slot.use, "card()"):
            slot.component.card()  # missing weights are reported now, not after hours of training
    network = build_network(recipe, spec).to(device)
    resources = Resources(cache, progress)
    train = recipe.dataset.component.load("train", resources)
    test = recipe.dataset.component.load("test", resources)
    for examples in (train, test):
        check_examples(examples, spec, recipe.dataset.use)
    return Parts(
        recipe=recipe,
        spec=spec,
        train=train,
        test=test,
        network=network,
        objective=objective,
        device=device,
        compute=choose_compute(
            recipe.train, network, spec, device, cache, replayable=recipe.denoiser.component.replayable, progress=progress
        ),
        cache=cache,
    )


def objective_of(recipe: Recipe) -> Objective:
    """The objective of a recipe; the times "auto" are the schedule's own if it is a table, else uniform."""
    schedule = recipe.schedule.component
    parameterization = PARAMETERIZATIONS[recipe.parameterization]
    check_combination(parameterization, schedule, recipe.schedule.use)
    settings = recipe.objective
    times = settings.times
    if times == "auto":
        times = "uniform" if schedule.grid() is None else "grid"
    return Objective(schedule, parameterization, times, settings.weight, settings.mean, settings.std, settings.gamma)


def build_network(recipe: Recipe, spec: SampleSpec) -> nn.Module:
    """Build the network for data of `spec`, channels last; the recipe's seed determines its initial weights."""
    spec = recipe.network_spec(spec)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(keyed_seed(recipe.seed, "init", 0))
        with plugin_call("denoisers", recipe.denoiser.use, f"build() for images {list(spec.shape)}"), explain_exhausted_memory():
            network: nn.Module = recipe.denoiser.component.build(spec).to(memory_format=torch.channels_last)
        check_network(network, spec, recipe.denoiser.use)
    return network


def keyed_seed(seed: int, domain: str, at: int) -> int:
    """A seed for operations that use torch's global generator: initial weights and dropout."""
    return int.from_bytes(hashlib.blake2b(f"{seed}\0{domain}\0{at}".encode(), digest_size=7).digest(), "little")
