"""Estimate what a recipe costs on this machine, measured on a few images before training starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from workbench.compute import Compute, choose_compute, fastest_milliseconds
from workbench.diffusion import Objective
from workbench.interfaces import SampleSpec
from workbench.model import build_network, objective_of
from workbench.recipe import Recipe
from workbench.sampling import expected_nfe

TRIED = 16
REPEATS = 2


@dataclass(frozen=True)
class CostEstimate:
    """Estimates for one recipe on one device; bytes and seconds."""

    parameters: int
    gflop_per_image: float  # forward pass
    compute: Compute
    state_bytes: int  # weights, gradients, AdamW's two moments, the average
    activation_bytes: int  # kept for the backward pass of one (micro-)batch
    seconds_per_step: float
    training_seconds: float
    evaluations: int
    evaluation_seconds: float  # of all evaluations, sampling only

    @property
    def total_seconds(self) -> float:
        """Training and sampling."""
        return self.training_seconds + self.evaluation_seconds


def estimate_cost(
    recipe: Recipe, device: torch.device, cache: Path | None = None, spec: SampleSpec | None = None
) -> CostEstimate:
    """Build the network, run a few images forward and backward, and extrapolate.

    `cache` holds earlier measurements; without `spec`, the dataset describes its samples.
    """
    spec = spec or recipe.dataset.component.describe()
    network = build_network(recipe, spec).to(device).train()
    objective, compute = (
        objective_of(recipe),
        choose_compute(recipe.train, network, spec, device, cache, replayable=recipe.denoiser.component.replayable, trains=False),
    )
    batch = min(TRIED, recipe.train.rows_at_once)
    per_step, activations = _step(network, objective, spec, compute, batch)
    forward = _forward(network, spec, compute, TRIED)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    per_step *= recipe.train.batch_size / batch
    training = recipe.train.steps * per_step
    if recipe.train.max_minutes is not None:
        training = min(training, 60.0 * recipe.train.max_minutes)
    count = _evaluations(recipe)
    nfe = expected_nfe(recipe.evaluation_sampler, objective.schedule)
    return CostEstimate(
        parameters=parameters,
        gflop_per_image=_gflop(network, spec, device),
        compute=compute,
        state_bytes=5 * 4 * parameters,
        activation_bytes=activations * recipe.train.rows_at_once // batch,
        seconds_per_step=per_step,
        training_seconds=training,
        evaluations=count,
        evaluation_seconds=count * recipe.evaluate.samples * nfe * forward / TRIED,
    )


def _evaluations(recipe: Recipe) -> int:
    every = recipe.evaluate.every
    between = (recipe.train.steps - 1) // every if every else 0
    return 1 + between + int(recipe.evaluate.at_start)


def _step(network: nn.Module, objective: Objective, spec: SampleSpec, compute: Compute, batch: int) -> tuple[float, int]:
    device, computed = compute.device, compute.wrap(network)
    x0, t = torch.zeros(batch, *spec.shape, device=device), torch.full((batch,), 0.5, dtype=torch.float64)
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0)).to(device)
    kept = 0

    def count(tensor: Tensor) -> Tensor:
        nonlocal kept
        kept += tensor.numel() * tensor.element_size()
        return tensor

    def once() -> None:
        objective.loss(computed, x0, eps, t).mean().backward()

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        once()  # also warms up
    return fastest_milliseconds(once, REPEATS, device) / 1e3, kept


@torch.no_grad()
def _forward(network: nn.Module, spec: SampleSpec, compute: Compute, batch: int) -> float:
    device, computed = compute.device, compute.wrap(network)
    x, level = torch.zeros(batch, *spec.shape, device=device), torch.zeros(batch, device=device)

    def once() -> None:
        computed(x, level, None)

    once()
    return fastest_milliseconds(once, REPEATS, device) / 1e3


@torch.no_grad()
def _gflop(network: nn.Module, spec: SampleSpec, device: torch.device) -> float:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, *spec.shape, device=device), torch.zeros(1, device=device), None)
    return counter.get_total_flops() / 1e9
