"""wb run"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.arguments import Device, Set
from workbench.cli.completion import complete_recipe_or_run, complete_run
from workbench.errors import CheckpointError, RecipeError

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.cli.display import Display
    from workbench.engine import Parts, RunFolder, Stop
    from workbench.interfaces import Tracker
    from workbench.recipe import Recipe

__all__ = ["run"]


def run(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="RECIPE|RUN",
            help="A recipe file, or a run to repeat.",
            show_default=False,
            autocompletion=complete_recipe_or_run,
        ),
    ] = None,
    overrides: Set = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|auto",
            help="Go on with a run; `auto`: with the newest unfinished one of this recipe.",
            autocompletion=complete_run,
        ),
    ] = None,
    device: Device = "auto",
    tracking_uri: Annotated[
        str | None, typer.Option(metavar="URI", help="Record the run in this MLflow store.", show_default=False)
    ] = None,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Record the run in MLflow, or in its folder only.")] = True,
) -> None:
    """Train what a recipe describes, evaluate it, and record both.

    Ctrl-C stops after the current step with a checkpoint.

    [bold]wb run recipes/cars_linear.toml[/]
    [bold]wb run recipes/cars_linear.toml --set train.steps=100 --set evaluate.samples=64[/]
    [bold]wb run recipes/cars_linear.toml --resume auto[/]      go on if it was interrupted
    [bold]wb run --resume latest[/]                             go on with a certain run
    [bold]wb run latest[/]                                      repeat a run exactly
    """
    from rich.console import Console
    from rich.markup import escape

    from workbench.cli.display import Display
    from workbench.cli.tracked import tracked
    from workbench.engine import Stop, assemble, choose_device, describe_device, record_origins
    from workbench.home import cache_folder, wb_home
    from workbench.recipe import warnings

    # Ids and commands are copied from the screen: lines are not broken.
    console, home = Console(highlight=False, soft_wrap=True), wb_home()
    recipe, folder, source = _what(target, overrides or [], resume, home)
    for warning in [*warnings(recipe), *_changed_since(folder, source)]:
        console.print(f"[yellow]warning:[/] {escape(warning)}")
    chosen = choose_device(device)
    console.print(f"[bold]{recipe.name}[/]  {describe_device(chosen)}  home {home}")

    stop = Stop()
    with Display(console) as display:
        parts = assemble(recipe, chosen, cache_folder(home), display.data)
        _tell_parts(console, parts)
        run_folder = folder or _new_run(home, recipe)
        record_origins(run_folder, recipe)
        tracker = tracked(run_folder, parts, source, tracking_uri, home) if track else _untracked()
        console.print(f"run [bold]{run_folder.id}[/]  in {run_folder.path}")
        status = _go(parts, run_folder, tracker, stop, display, console)
    _tell_end(console, run_folder, status)
    if status == "killed":
        sys.exit(128 + (stop.signal or signal.SIGINT))


def _what(target: str | None, overrides: list[str], resume: str | None, home: Path) -> tuple[Recipe, RunFolder | None, Path]:
    """The recipe to run, the folder to go on in if there is one, and the file the recipe came from."""
    from workbench.engine import find_run
    from workbench.recipe import load

    if resume is not None and resume != "auto":
        if overrides or target:
            raise CheckpointError(
                "--resume RUN goes on with the run as it is: leave out the recipe and --set, or use --resume auto"
            )
        folder = find_run(home, resume)
        if folder.info()["status"] == "FINISHED":
            raise CheckpointError(
                f"run {folder.id} has finished; repeat it with `wb run {folder.id}`, draw with `wb sample {folder.id}`"
            )
        return load(folder.recipe), folder, folder.recipe
    if target is None:
        raise CheckpointError(
            "nothing to run: name a recipe, for example `wb run recipes/cars_linear.toml` (all of them: wb recipes)"
        )
    path = Path(target)
    if not target.endswith(".toml") and not path.is_file():
        path = find_run(home, target).recipe
    recipe = load(path, overrides)
    return recipe, _unfinished(home, recipe) if resume == "auto" else None, path


def _unfinished(home: Path, recipe: Recipe) -> RunFolder | None:
    """The newest run of the same recipe that has a checkpoint and has not finished."""
    from workbench.engine import latest, list_runs
    from workbench.recipe import load

    for folder in reversed(list_runs(home)):
        if (
            folder.info().get("name") != recipe.name
            or folder.info()["status"] == "FINISHED"
            or latest(folder.checkpoints) is None
        ):
            continue
        try:
            if load(folder.recipe) == recipe:
                return folder
        except RecipeError:
            continue
    return None


def _changed_since(folder: RunFolder | None, source: Path) -> list[str]:
    """What is no longer the code it was, where a run goes on or is repeated."""
    from workbench.engine import RunFolder, changed_origins

    if folder is not None:
        return changed_origins(folder)
    run = RunFolder(source.parent)
    return changed_origins(run) if source == run.recipe and (run.path / "run.json").is_file() else []


def _new_run(home: Path, recipe: Recipe) -> RunFolder:
    from workbench.engine import create_run
    from workbench.recipe import save

    folder = create_run(home, recipe.name)
    save(recipe, folder.recipe)
    return folder


def _untracked() -> Tracker:
    from workbench.interfaces import NullTracker

    return NullTracker()


def _tell_parts(console: Console, parts: Parts) -> None:
    told = parts.train.provenance
    millions = sum(each.numel() for each in parts.network.parameters()) / 1e6
    console.print(f"data: {told.source} ({told.location}), {len(parts.train):,} to train on, {len(parts.test):,} to test with")
    for note in told.notes[:10]:
        console.print(f"  [yellow]{note}[/]")
    if len(told.notes) > 10:
        console.print(f"  [yellow]and {len(told.notes) - 10} more[/]")
    console.print(f"network: {parts.recipe.denoiser.use}, {millions:.2f} million parameters, {parts.compute.told()}")


def _go(parts: Parts, folder: RunFolder, tracker: Tracker, stop: Stop, display: Display, console: Console) -> str:
    from workbench.engine import latest, recorded, train

    def request(number: int, frame: object) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.request(number)
        console.print("[yellow]stopping after this step; once more to stop at once[/]")

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    phase = "killed"
    try:
        resume = latest(folder.checkpoints)
        if resume is not None:
            console.print(f"going on from step {resume.state.step}")
            folder.update(status="RUNNING")
        stream = recorded(
            train(parts, folder.checkpoints, resume=resume, stop=stop),
            folder,
            tracker,
            lambda text: console.print(f"[yellow]{text}[/]"),
        )
        for moment in stream:
            display.show(moment)
            phase = moment.phase
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return phase


def _tell_end(console: Console, folder: RunFolder, status: str) -> None:
    from workbench.cli.display import duration
    from workbench.engine import spent

    if status == "killed":
        console.print(f"stopped at step {folder.info()['step']}; go on with: [bold]wb run --resume {folder.id}[/]")
        return
    told = spent(folder)
    console.print(
        f"[green]finished[/]  training {duration(told.training)}, evaluation {duration(told.evaluation)} ({told.share:.0%})  "
        f"pictures in {folder.pictures}"
    )
    console.print(f"look at it: [bold]wb ui[/]    draw more: [bold]wb sample {folder.id}[/]")
