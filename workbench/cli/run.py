"""wb run"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

import workbench as wb
from workbench.cli.arguments import Device, Set
from workbench.cli.completion import complete_recipe_or_run, complete_run
from workbench.cli.display import Display, duration
from workbench.cli.signals import stop_on_signals
from workbench.cli.tracked import RunTracking, start_tracking
from workbench.home import cache_folder, wb_home
from workbench.progress import Stop

# For what is not sent when a run ends: it may take as long as a store that answers needs, but a stop is a stop.
SENDING_SECONDS = 30.0
STOPPED_SECONDS = 2.0


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
            help="Resume a run, also a finished one with --set train.steps=N; `auto`: the newest unfinished one of this recipe.",
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

    Ctrl-C, SIGTERM and a closed terminal stop the run with a checkpoint. Whatever ends a run, --resume continues it from its last
    checkpoint. Where the tracking store is away, what the run records waits in its folder: wb sync sends it.

    [bold]wb run recipes/cars_linear.toml[/]
    [bold]wb run recipes/cars_linear.toml --set train.steps=100 --set evaluate.samples=64[/]
    [bold]wb run recipes/cars_linear.toml --resume auto[/]      resume it if it was interrupted
    [bold]wb run --resume latest[/]                             resume one run
    [bold]wb run --resume latest --set train.steps=20000[/]     train a finished run longer
    [bold]wb run latest[/]                                      repeat a run exactly
    """
    # Ids and commands are copied from the screen: lines are not broken.
    console, home = Console(highlight=False, soft_wrap=True), wb_home()
    plan = wb.runs.plan_run(home, target, overrides or [], resume)
    for note in plan.notes:
        console.print(escape(note))
    if plan.done:
        return
    recipe, folder, source = plan.recipe, plan.folder, plan.source
    for warning in [*wb.recipe.warnings(recipe), *wb.recipe.relative_paths(recipe, source), *_changed_since(folder, source)]:
        console.print(f"[yellow]warning:[/] {escape(warning)}")
    chosen = wb.compute.choose_device(device)
    console.print(f"[bold]{recipe.name}[/]  {wb.compute.describe_device(chosen)}  home {escape(str(home))}")

    def warn(text: str) -> None:
        console.print(f"[yellow]{escape(text)}[/]")

    stop = Stop()
    with Display(console) as display:
        parts = wb.model.assemble(recipe, chosen, cache_folder(home), display.data)
        _tell_parts(console, parts)
        for line in _changed_data(folder, source, parts):
            warn(line)
        for warning in wb.recipe.size_warnings(recipe, len(parts.train)):
            console.print(f"[yellow]warning:[/] {escape(warning)}")
        run_folder = folder or _new_run(home, recipe)
        with run_folder.writing():
            for line in wb.runs.record_data(run_folder, parts):
                warn(line)
            plan.apply()
            wb.runs.record_origins(run_folder, recipe)
            record = start_tracking(run_folder, parts, source, tracking_uri, home, warn, send=track)
            console.print(f"run [bold]{escape(run_folder.id)}[/]  in {escape(str(run_folder.path))}")
            status, unsent = "failed", 0
            try:
                status = _go(parts, run_folder, plan, record, stop, display, console, warn)
            finally:
                unsent = record.close(SENDING_SECONDS if status == "finished" else STOPPED_SECONDS)
    _tell_end(console, run_folder, status)
    if unsent:
        console.print(
            f"[yellow]{unsent:,} records not yet sent[/]; they wait in the run's folder: [bold]wb sync {escape(run_folder.id)}[/]"
        )
    if status == "killed":
        sys.exit(128 + (stop.signal or signal.SIGINT))


def _changed_since(folder: wb.runs.RunFolder | None, source: Path) -> list[str]:
    """What is no longer the code it was, where a run goes on or is repeated."""
    run = folder or _repeated(source)
    return [] if run is None else wb.runs.changed_origins(run)


def _changed_data(folder: wb.runs.RunFolder | None, source: Path, parts: wb.model.Parts) -> list[str]:
    """How the data differ from those of the run that is repeated; for a resumed one `record_data` compares them."""
    run = None if folder is not None else _repeated(source)
    return [] if run is None else wb.runs.changed_data(run, parts)


def _repeated(source: Path) -> wb.runs.RunFolder | None:
    """The run whose stored recipe is run again, if there is one."""
    run = wb.runs.RunFolder(source.parent)
    return run if source == run.recipe and (run.path / "run.json").is_file() else None


def _new_run(home: Path, recipe: wb.recipe.Recipe) -> wb.runs.RunFolder:
    folder = wb.runs.create_run(home, recipe.name)
    wb.recipe.save(recipe, folder.recipe)
    return folder


def _tell_parts(console: Console, parts: wb.model.Parts) -> None:
    told = parts.train.provenance
    millions = sum(each.numel() for each in parts.network.parameters()) / 1e6
    console.print(
        f"data: {escape(f'{told.source} ({told.location})')}, {len(parts.train):,} to train on, {len(parts.test):,} to test with"
    )
    for note in told.notes[:10]:
        console.print(f"  [yellow]{escape(note)}[/]")
    if len(told.notes) > 10:
        console.print(f"  [yellow]and {len(told.notes) - 10} more[/]")
    console.print(f"network: {parts.recipe.denoiser.use}, {millions:.2f} million parameters, {parts.compute.describe()}")


def _go(
    parts: wb.model.Parts,
    folder: wb.runs.RunFolder,
    plan: wb.runs.Plan,
    record: RunTracking,
    stop: Stop,
    display: Display,
    console: Console,
    warn: Callable[[str], None],
) -> str:
    def report_stop() -> None:
        console.print("[yellow]stopping with a checkpoint; once more to stop at once[/]")

    phase = "killed"
    with stop_on_signals(stop, report_stop):
        resume = plan.checkpoint(wb.training.latest_checkpoint(folder.checkpoints, warn))
        if resume is not None:
            _tell_resumed(console, parts, folder, resume, warn)
            folder.update(status="RUNNING")
        steps = wb.training.train(parts, folder.checkpoints, resume=resume, stop=stop, run=folder.id, recorded=folder.recorded)
        for moment in wb.runs.record_run(steps, folder, record.tracker, warn):
            display.show(moment)
            phase = moment.phase
    return phase


def _tell_resumed(
    console: Console,
    parts: wb.model.Parts,
    folder: wb.runs.RunFolder,
    resume: wb.training.Checkpoint,
    warn: Callable[[str], None],
) -> None:
    """From where a run goes on, and how far it will agree with one that was not interrupted."""
    agreed = wb.training.compare_environment(resume, parts)
    console.print(f"resuming from step {resume.state.step}; determinism: {agreed.describe()}")
    folder.update(determinism={"level": agreed.level, "reasons": list(agreed.reasons)})
    lost = resume.state.recorded - folder.recorded()
    if lost > 0:
        warn(f"{lost:,} numbers that were recorded before this checkpoint are not in the run's journal any more")


def _tell_end(console: Console, folder: wb.runs.RunFolder, status: str) -> None:
    if status == "killed":
        console.print(f"stopped at step {folder.info()['step']}; resume it: [bold]wb run --resume {escape(folder.id)}[/]")
        return
    told = wb.runs.measure_durations(folder)
    console.print(
        f"[green]finished[/]  training {duration(told.training)}, evaluation {duration(told.evaluation)} ({told.share:.0%})  "
        f"pictures in {escape(str(folder.pictures))}"
    )
    console.print(f"look at it: [bold]wb ui[/]    draw more: [bold]wb sample {escape(folder.id)}[/]")
