"""wb explain"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

import workbench as wb
from workbench.cli.arguments import Device, RecipeOrRun, Set
from workbench.cli.display import duration
from workbench.cli.plot import plot
from workbench.files import is_file
from workbench.home import cache_folder, wb_home

POINTS = 240


def explain(
    recipe: RecipeOrRun,
    overrides: Set = None,
    device: Device = "auto",
) -> None:
    """Show what a recipe means and estimate its cost, without running it.

    Prints the schedule's curves and terminal SNR, the times that the
    sampler visits and its network evaluations (NFE), the number of
    parameters, the memory, and the time of a step, measured with a few
    images on this machine.

    [bold]wb explain recipes/cars_linear.toml[/]
    [bold]wb explain recipes/cifar10.toml --set dataset.root=data --device cpu[/]
    [bold]wb explain latest[/]
    """
    console = Console(highlight=False)
    loaded, spec = _load(recipe, overrides or [])
    chosen = wb.compute.choose_device(device)
    console.print(f"[bold]{loaded.name}[/]  {escape(loaded.description)}")
    _print_schedule(console, loaded)
    for warning in wb.recipe.warnings(loaded):
        console.print(f"[yellow]warning:[/] {escape(warning)}")
    _print_sampler(console, "sampler", loaded.sampler, loaded)
    if loaded.evaluate.sampler is not None:
        _print_sampler(console, "evaluate.sampler", loaded.evaluate.sampler, loaded)
    console.print(f"\n[bold]cost[/]  on {wb.compute.describe_device(chosen)}, measured with a few images")
    _print_cost(console, loaded, wb.runs.estimate_cost(loaded, chosen, cache_folder(wb_home()), spec))


def _load(target: str, overrides: list[str]) -> tuple[wb.recipe.Recipe, wb.interfaces.SampleSpec | None]:
    """The recipe, and the shape of its data if a run stores it. None: the dataset of a recipe file or changed recipe gives it."""
    if target.endswith(".toml") or is_file(Path(target)):
        return wb.recipe.load(Path(target), overrides), None
    home = wb_home()
    run = wb.runs.find_run(home, target)
    if overrides:
        return wb.recipe.load(run.recipe, overrides), None
    recipe, spec = wb.runs.read_run(run, cache_folder(home))
    return recipe, spec.sample


def _print_schedule(console: Console, recipe: wb.recipe.Recipe) -> None:
    schedule = recipe.schedule.component
    with wb.registry.plugin_call("schedules", recipe.schedule.use, "alpha_sigma()"):
        pairs = [schedule.at(i / POINTS) for i in range(POINTS + 1)]
    alpha, sigma = pairs[-1]
    console.print(
        f"\n[bold]schedule[/]  {recipe.schedule.use}: terminal SNR {(alpha / sigma) ** 2:.2e}, x_T keeps {alpha:.2%} of the image"
    )
    logsnr = [_logsnr(*pair) for pair in pairs]
    console.print("\n".join(["  log-SNR over t, 0 = data, 1 = noise", *plot(logsnr)]))
    betas = [-2.0 * _log_ratio(after[0], before[0]) * POINTS for before, after in pairwise(pairs) if after[0] > 0.0]
    console.print("\n".join(["  beta(t) = -d ln(alpha^2) / dt", *plot(betas)]))


def _logsnr(alpha: float, sigma: float) -> float:
    return 2.0 * math.log(max(alpha, 1e-5) / max(sigma, 1e-5))


def _log_ratio(after: float, before: float) -> float:
    return math.log(after / before)


def _print_sampler(console: Console, key: str, slot: wb.recipe.SamplerSlot, recipe: wb.recipe.Recipe) -> None:
    grid = wb.recipe.time_grid_of(slot, recipe.schedule.component)
    times = [f"{t:.3g}" for t in grid.times]
    shown = times if len(times) <= 10 else [*times[:5], "...", *times[-4:]]
    nfe = wb.sampling.expected_nfe(slot, recipe.schedule.component)
    guidance = f", guidance {slot.guidance:g}" if slot.guidance != 1.0 else ""
    clamped = "" if slot.clamp else ", not clamped"
    console.print(
        f"\n[bold]{key}[/]  {slot.use}, {slot.spacing} spacing, {slot.steps} steps{guidance}{clamped}, NFE {nfe}\n"
        f"  t = {', '.join(shown)}"
    )


def _print_cost(console: Console, recipe: wb.recipe.Recipe, cost: wb.runs.CostEstimate) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2))
    speed = recipe.train.batch_size / cost.seconds_per_step
    rows = [
        ("parameters", f"{cost.parameters / 1e6:.2f} million"),
        ("one image, forward", f"{cost.gflop_per_image:.2f} GFLOP"),
        (
            "memory",
            f"{_bytes(cost.state_bytes)} for weights, gradients, AdamW and EMA; "
            f"about {_bytes(cost.activation_bytes)} for a batch of {recipe.train.batch_size}",
        ),
        (
            "one step",
            f"{cost.seconds_per_step:.2f} s ({speed:.0f} images/s, {cost.compute.describe()})",
        ),
        ("fast path", "\n".join(cost.compute.choices.describe()) if cost.compute.choices is not None else "off"),
        ("training", f"{recipe.train.steps:,} steps, {duration(cost.training_seconds)}"),
        (
            "sampling",
            f"{cost.evaluations} evaluations of {recipe.evaluate.samples:,} images, {duration(cost.evaluation_seconds)}",
        ),
        ("total", f"about {duration(cost.total_seconds)}, plus feature extraction"),
    ]
    for name, value in rows:
        table.add_row(f"[dim]{name}[/]", value)
    console.print(table)


def _bytes(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
