"""wb sweep [run]"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape

import workbench as wb
from workbench.cli.arguments import Device, Set, Track, TrackingUri
from workbench.cli.display import wide_console
from workbench.cli.sweep.live import Flow
from workbench.cli.sweep.options import (
    VARIABLE,
    LauncherName,
    LauncherSet,
    LeaseSeconds,
    MaxFailures,
    Minutes,
    New,
    NewName,
    OptionalRecipe,
    Storage,
    Trials,
    Workers,
    storage_of,
)
from workbench.cli.sweep.running import confirm, print_end, run_elsewhere, run_here
from workbench.errors import SweepError
from workbench.home import wb_home
from workbench.progress import Stop


def run(
    recipe: OptionalRecipe = None,
    trials: Trials = None,
    overrides: Set = None,
    workers: Workers = 1,
    minutes: Minutes = None,
    name: NewName = None,
    new: New = False,
    max_failures: MaxFailures = None,
    storage: Storage = None,
    launcher: LauncherName = None,
    launcher_set: LauncherSet = None,
    device: Device = "auto",
    tracking_uri: TrackingUri = None,
    track: Track = True,
    lease_seconds: LeaseSeconds = None,
) -> None:
    """Search for good settings: Optuna proposes, each trial is a run, the best are measured again.

    Ctrl-C, a crash or a power cut lose the current steps only: the same command continues to the same number of trials.

    [bold]wb sweep --trials 50[/]                                the shipped search on drawn cars
    [bold]wb sweep my.toml --trials 50 --workers 2[/]
    [bold]wb sweep my.toml --set train.steps=500 --name quick[/]
    [bold]wb sweep show NAME[/]     trials and the best        [bold]wb sweep list[/]     all sweeps
    [bold]wb sweep best NAME > best.toml[/]                      to be run by [bold]wb run best.toml[/]
    [bold]wb sweep-worker NAME --storage URL[/]                  help from another machine
    """
    console, home = wide_console(), wb_home()
    path = _shipped(home) if recipe is None else Path(recipe)
    settings = [*(overrides or []), *([] if max_failures is None else [f"sweep.max_failures={max_failures}"])]
    base = wb.recipe.load(path, settings)
    wb.sweep.check_sweep(path, base, settings)
    url = storage_of(storage)
    if launcher and url is None:
        raise SweepError("--launcher: workers on other machines need a database: --storage postgresql://user@host/database")
    starter = wb.sweep.launcher_of(launcher, launcher_set or []) if launcher else None
    if starter is None:
        wb.compute.choose_device(device)  # a device that no worker could use is reported before any starts
    folder = wb.sweep.choose_folder(home, base.name if name is None else name, base, new=new)
    with folder.coordinator_lock():
        sweep = wb.sweep.open_sweep(folder, base, str(path), url, trials, workers, lease_seconds)
        tracking = _track(sweep, base.tracking, tracking_uri, home, console) if track else wb.sweep.SweepTracking()
        _print_start(console, sweep, workers)
        stop = Stop()
        try:
            if starter is None:
                status = run_here(sweep, workers, device, minutes, tracking, stop, console)
            else:
                command = wb.sweep.worker_command(folder, device, lease_seconds)
                # Through the environment, which only the user can read: all users of a machine can read command lines.
                environment = {**tracking.environment, VARIABLE: url or "", "WB_HOME": str(home)}
                status = run_elsewhere(sweep, starter, command, environment, workers, stop, console)
            if status == "done" and not stop.requested:
                confirm(sweep, workers, device, stop, console)
        finally:
            if left := wb.sweep.finish_sweep(sweep, tracking, stopped=stop.requested):
                console.print(f"[yellow]{left:,} records not yet sent[/]; they wait in their folders: [bold]wb sync[/]")
        print_end(sweep, console, stopped=stop.requested)
    _exit(stop, status, base, folder.name)


def _exit(stop: Stop, status: wb.sweep.Status, recipe: wb.recipe.Recipe, name: str) -> None:
    if stop.requested:
        sys.exit(128 + (stop.signal or 2))
    if status == "failed":
        limit = recipe.sweep.max_failures if recipe.sweep else 0
        raise SweepError(f"too many trials failed (sweep.max_failures = {limit}); see wb sweep show {name}")


def _track(
    sweep: wb.sweep.OpenSweep, tracking: wb.recipe.Tracking, uri: str | None, home: Path, console: Console
) -> wb.sweep.SweepTracking:
    return wb.sweep.track_sweep(sweep, tracking, uri, home, lambda text: console.print(f"[yellow]{escape(text)}[/]"))


def _shipped(home: Path) -> Path:
    path = home / "recipes" / "sweep.toml"
    if not path.is_file():
        raise SweepError(f"no recipe given, and there is no {path}: wb sweep RECIPE (wb recipes lists all of them)")
    return path


def _print_start(console: Console, sweep: wb.sweep.OpenSweep, workers: int) -> None:
    tally, settings = sweep.queue.tally(), sweep.recipe.sweep
    if settings is None:
        return
    targets = (f"{'least' if target.direction == 'minimize' else 'greatest'} {target.metric}" for target in sweep.targets)
    method = f"{settings.sampler} over {len(sweep.axes)} keys" + (", train once and re-evaluate" if sweep.trained_once else "")
    count = f"{workers} worker{'s' if workers > 1 else ''}"
    console.print(Flow([f"[bold]{sweep.folder.name}[/]", " and ".join(targets), method, count, f"in {sweep.folder.path}"]))
    for line in _notes(sweep):
        console.print(line, soft_wrap=not console.is_terminal)
    if tally.done or tally.waiting:
        waiting = f", {tally.waiting} were interrupted" if tally.waiting else ""
        console.print(f"resuming: {tally.done} of {tally.total} trials are done{waiting}")


def _notes(sweep: wb.sweep.OpenSweep) -> Iterator[str]:
    settings = sweep.recipe.sweep
    if settings is None:
        return
    if settings.pruner != "none" and len(sweep.targets) > 1:
        yield "several metrics: the search is for the Pareto front, and no trial is pruned"
    elif settings.pruner != "none" and not sweep.trained_once and not wb.sweep.prune_every(sweep.recipe):
        yield "no trial is pruned: nothing is measured before the end of training (train.validate_every, evaluate.every)"
    if random_keys := sweep.search.random_keys():
        yield f"{settings.sampler} chooses numbers only; chosen at random: {', '.join(random_keys)}"
