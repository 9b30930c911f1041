"""wb run"""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

import workbench as wb
from workbench.cli.arguments import Device, Set, Track, TrackingUri
from workbench.cli.completion import complete_recipe_or_run, complete_run
from workbench.cli.display import Display, duration
from workbench.cli.signals import stop_on_signals
from workbench.home import wb_home
from workbench.progress import Stop

NOTES = 10  # about the data, that are printed


Target = Annotated[
    str | None,
    typer.Argument(
        metavar="RECIPE|RUN",
        help="A recipe file, or a run to repeat.",
        show_default=False,
        autocompletion=complete_recipe_or_run,
    ),
]
Resume = Annotated[
    str | None,
    typer.Option(
        metavar="RUN|auto",
        help="Resume a run, also a finished one with --set train.steps=N; `auto`: the newest unfinished one of this recipe.",
        autocompletion=complete_run,
    ),
]


def run(
    target: Target = None,
    overrides: Set = None,
    resume: Resume = None,
    device: Device = "auto",
    tracking_uri: TrackingUri = None,
    track: Track = True,
) -> None:
    """Train what a recipe describes, evaluate it, and record both.

    Ctrl-C, SIGTERM and a closed terminal stop the run with a checkpoint. Whatever ends a run, --resume continues it from its last
    checkpoint. While the tracking store is unreachable, the run's records wait in its folder: wb sync sends them.

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

    def warn(text: str) -> None:
        console.print(f"[yellow]warning:[/] {escape(text)}")

    for warning in [*wb.recipe.warnings(plan.recipe), *wb.recipe.relative_paths(plan.recipe, plan.source)]:
        warn(warning)
    torch_device = wb.compute.choose_device(device)
    console.print(f"[bold]{plan.recipe.name}[/]  {wb.compute.describe_device(torch_device)}  home {escape(str(home))}")

    stop, store = Stop(), wb.runs.Store(tracking_uri, send=track)
    with (
        Display(console) as display,
        wb.runs.open_session(plan, home, device=torch_device, store=store, warn=warn, progress=display.data) as session,
    ):
        _print_start(console, session)
        with stop_on_signals(stop, lambda: console.print("[yellow]stopping with a checkpoint; once more to stop at once[/]")):
            for progress in session.train(stop, warn):
                display.show(progress)
    _print_end(console, session)
    if session.phase == "killed":
        sys.exit(128 + (stop.signal or signal.SIGINT))


def _print_start(console: Console, session: wb.runs.Session) -> None:
    parts, folder = session.parts, session.folder
    data = parts.train.provenance
    millions = sum(parameter.numel() for parameter in parts.network.parameters()) / 1e6
    console.print(
        f"data: {escape(f'{data.source} ({data.location})')}, {len(parts.train):,} to train on, {len(parts.test):,} to test with"
    )
    for note in data.notes[:NOTES]:
        console.print(f"  [yellow]{escape(note)}[/]")
    if len(data.notes) > NOTES:
        console.print(f"  [yellow]and {len(data.notes) - NOTES} more[/]")
    console.print(f"network: {parts.recipe.denoiser.use}, {millions:.2f} million parameters, {parts.compute.describe()}")
    console.print(f"run [bold]{escape(folder.id)}[/]  in {escape(str(folder.path))}")
    if session.resume is not None and session.agreement is not None:
        console.print(f"resuming from step {session.resume.state.step}; determinism: {session.agreement.describe()}")


def _print_end(console: Console, session: wb.runs.Session) -> None:
    folder = session.folder
    if session.phase == "killed":
        console.print(f"stopped at step {folder.info()['step']}; resume it: [bold]wb run --resume {escape(folder.id)}[/]")
    else:
        durations = wb.runs.measure_durations(folder)
        console.print(
            f"[green]finished[/]  training {duration(durations.training)}, evaluation {duration(durations.evaluation)} "
            f"({durations.share:.0%})  pictures in {escape(str(folder.pictures))}"
        )
        console.print(f"look at it: [bold]wb ui[/]    draw more: [bold]wb sample {escape(folder.id)}[/]")
    if session.unsent:
        console.print(
            f"[yellow]{session.unsent:,} records not yet sent[/]; they wait in the run's folder: [bold]wb sync {escape(folder.id)}[/]"
        )
