"""wb sync"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

import workbench as wb
from workbench.cli.completion import complete_run
from workbench.errors import WorkbenchError
from workbench.home import wb_home


def sync(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Runs to send \\[default: all with unsent records].",
            autocompletion=complete_run,
        ),
    ] = None,
    tracking_uri: Annotated[
        str | None,
        typer.Option(metavar="URI", help="Send to this MLflow store instead of the run's own.", show_default=False),
    ] = None,
    experiment: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Send to this MLflow experiment instead of the run's own.", show_default=False),
    ] = None,
) -> None:
    """Send what runs, evaluations and sweeps recorded while their tracking store was unreachable.

    Every record arrives exactly once, however often this is called or interrupted. A run that is named is sent even if it was not
    tracked. The local store is repaired after its home has moved. The exit code is 1 if records were not sent; those that the store
    refuses are listed with the reason, and sent again by the next call.

    [bold]wb sync[/]                                            all unsent records
    [bold]wb sync latest --tracking-uri http://localhost:5000[/]
    [bold]wb sync latest --experiment NAME[/]                   if the experiment was deleted
    """
    console, home = Console(highlight=False, soft_wrap=True), wb_home()
    if moved := wb.tracking.relocate_store(home):
        console.print(f"this home has moved: {moved} artifact locations in its MLflow database now point here")
    # Sweeps first: their runs are the parents of those of their trials.
    journaled: list[wb.runs.RunFolder | wb.sweep.SweepFolder] = [*wb.sweep.list_sweeps(home), *wb.runs.list_runs(home)]
    folders = [wb.runs.find_run(home, run) for run in runs] if runs else list(filter(wb.runs.has_unsent, journaled))
    left = 0
    for folder in folders:
        try:
            result = wb.runs.sync_folder(folder, tracking_uri, experiment, home, named=bool(runs))
        except WorkbenchError as error:
            left += 1
            console.print(f"{escape(folder.path.name)}  [red]not sent[/]  {escape(str(error))}")
        else:
            left += result.left
            _print_result(console, folder.path.name, result)
    if not folders:
        console.print("nothing to send")
    if left:
        raise typer.Exit(1)


def _print_result(console: Console, name: str, result: wb.runs.SyncResult) -> None:
    console.print(
        f"{escape(name)}  {result.sent:,} sent"
        + (f", [yellow]{result.unsent:,} left[/]" if result.unsent else "")
        + (f", [yellow]{len(result.refused):,} cannot be sent[/]" if result.refused else "")
    )
    for kind, key, reason in result.refused:
        console.print(f"  [yellow]{kind} {escape(key.lstrip('/'))}[/]: {escape(reason)}")
