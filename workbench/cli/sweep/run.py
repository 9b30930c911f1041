"""wb sweep [run]"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import workbench as wb
from workbench.cli.arguments import Device, Set
from workbench.cli.completion import complete_recipe
from workbench.cli.display import wide_console
from workbench.cli.sweep.going import confirm, print_end, run_sweep, watch
from workbench.cli.sweep.live import Flow
from workbench.cli.sweep.record import SweepTracking
from workbench.errors import SweepError
from workbench.home import wb_home
from workbench.progress import Stop

VARIABLE = "WB_SWEEP_STORAGE"
Workers = Annotated[int, typer.Option("--workers", "-w", min=1, max=256, help="Trials at once; threads and GPUs are divided.")]
Minutes = Annotated[float | None, typer.Option(min=0.01, help="Begin no trial after so many minutes.", show_default=False)]
Storage = Annotated[
    str | None,
    typer.Option(metavar="URL", help=f"PostgreSQL, for several machines; [bold]{VARIABLE}[/] says it too.", show_default=False),
]


def run(
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="RECIPE",
            help="A recipe with \\[sweep]; recipes/sweep.toml if absent.",
            show_default=False,
            autocompletion=complete_recipe,
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option("--trials", "-n", min=1, max=1_000_000, help="In total, those done before among them.", show_default=False),
    ] = None,
    overrides: Set = None,
    workers: Workers = 1,
    minutes: Minutes = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the sweep; the recipe's if absent.", show_default=False)
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Begin another sweep, though one of this name is there.")] = False,
    max_failures: Annotated[
        int | None, typer.Option(min=0, help="Failed trials that are put up with.", show_default=False)
    ] = None,
    storage: Storage = None,
    launcher: Annotated[
        str | None, typer.Option(metavar="NAME", help="Start the workers on other machines: slurm, ray.", show_default=False)
    ] = None,
    launcher_set: Annotated[
        list[str] | None, typer.Option(metavar="FIELD=VALUE", help="A field of the launcher. Repeatable.", show_default=False)
    ] = None,
    device: Device = "auto",
    tracking_uri: Annotated[
        str | None, typer.Option(metavar="URI", help="Record in this MLflow store.", show_default=False)
    ] = None,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Record in MLflow, or in folders only.")] = True,
    lease_seconds: Annotated[float | None, typer.Option(hidden=True, min=1.0)] = None,
) -> None:
    """Search for what works: Optuna proposes, each trial is a run, the best are measured again.

    Ctrl-C, a crash or a power cut cost nothing but the current steps: the same command goes on to the same number of trials.

    [bold]wb sweep --trials 50[/]                                the shipped search on drawn cars
    [bold]wb sweep my.toml --trials 50 --workers 2[/]
    [bold]wb sweep my.toml --set train.steps=500 --name quick[/]
    [bold]wb sweep show NAME[/]     trials and the best        [bold]wb sweep list[/]     all sweeps
    [bold]wb sweep best NAME > best.toml[/]                      to be run by [bold]wb run best.toml[/]
    [bold]wb sweep-worker NAME --storage URL[/]                  help from another machine
    """
    console, home = wide_console(), wb_home()
    path = _shipped(home) if recipe is None else Path(recipe)
    settings = [*(overrides or []), *([f"sweep.max_failures={max_failures}"] if max_failures is not None else [])]
    base = wb.recipe.load(path, settings)
    wb.sweep.check_sweep(path, base, settings)
    url = storage_of(storage)
    if launcher and url is None:
        raise SweepError("--launcher: workers on other machines need a database: --storage postgresql://user@host/database")
    starter = wb.sweep.launcher_of(launcher, launcher_set or []) if launcher else None
    if starter is None:
        wb.compute.choose_device(device)  # what every worker would die of is told before there are any
    folder = wb.sweep.folder_for(home, base.name if name is None else name, base, new=new)
    with folder.coordinated():
        sweep = wb.sweep.open_sweep(folder, base, str(path), url, trials, workers, lease_seconds)
        record = SweepTracking.opened(sweep, base.tracking, tracking_uri, home, console) if track else SweepTracking.none()
        _tell_beginning(console, sweep, workers)
        stop = Stop()
        try:
            if starter is None:
                status = run_sweep(sweep, workers, minutes, device, record, stop, console)
            else:
                command = wb.sweep.worker_command(folder, device, lease_seconds)
                # What nobody may read goes through the environment: command lines are open to everybody on a machine.
                given = {**record.environment, VARIABLE: url or "", "WB_HOME": str(home)}
                status = watch(sweep, starter, command, given, workers, stop, console)
            if status == "done" and not stop.requested:
                confirm(sweep, workers, device, stop, console)
        finally:
            record.finish(sweep, console, stopped=stop.requested)
        print_end(sweep, console, stopped=stop.requested)
    if stop.requested:
        sys.exit(128 + (stop.signal or 2))
    if status == "given up":
        raise SweepError(
            f"too many trials failed (sweep.max_failures = {base.sweep.max_failures if base.sweep else 0}); see wb sweep show {folder.name}"
        )


def storage_of(option: str | None) -> str | None:
    """What was asked for, checked; None for a file of the sweep's own."""
    said = option or os.environ.get(VARIABLE)
    return wb.sweep.check_storage(said) if said else None


def _shipped(home: Path) -> Path:
    path = home / "recipes" / "sweep.toml"
    if not path.is_file():
        raise SweepError(f"no recipe was named, and there is no {path}: wb sweep RECIPE (all of them: wb recipes)")
    return path


def _tell_beginning(console: Console, sweep: wb.sweep.OpenSweep, workers: int) -> None:
    tally = sweep.desk.tally()
    aims = " and ".join(f"{'least' if each.direction == 'minimize' else 'greatest'} {each.metric}" for each in sweep.aims)
    settings = sweep.recipe.sweep
    if settings is None:
        return
    how = f"{settings.sampler} over {len(sweep.axes)} keys" + (", train once and re-evaluate" if sweep.trained_once else "")
    console.print(
        Flow(
            [
                f"[bold]{sweep.folder.name}[/]",
                aims,
                how,
                f"{workers} worker{'s' if workers > 1 else ''}",
                f"in {sweep.folder.path}",
            ]
        )
    )
    for line in _worth_knowing(sweep):
        console.print(line, soft_wrap=not console.is_terminal)
    if tally.done or tally.waiting:
        waiting = f", {tally.waiting} were interrupted" if tally.waiting else ""
        console.print(f"going on: {tally.done} of {tally.total} trials are done{waiting}")


def _worth_knowing(sweep: wb.sweep.OpenSweep) -> Iterator[str]:
    settings = sweep.recipe.sweep
    if settings is None:
        return
    if settings.pruner != "none" and len(sweep.aims) > 1:
        yield "several metrics: the Pareto front is searched, and no trial is pruned"
    elif settings.pruner != "none" and not sweep.trained_once and not wb.sweep.prune_every(sweep.recipe):
        yield "no trial is pruned: nothing is measured before the end of training (train.validate_every, evaluate.every)"
    if chance := sweep.search.by_chance():
        yield f"{settings.sampler} chooses numbers only; left to chance: {', '.join(chance)}"
