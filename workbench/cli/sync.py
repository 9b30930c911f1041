"""wb sync"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

import workbench as wb
from workbench.cli.completion import complete_run
from workbench.errors import WorkbenchError
from workbench.home import wb_home

if TYPE_CHECKING:
    from pathlib import Path


def sync(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Runs to send; all that have something to send if none is named.",
            autocompletion=complete_run,
        ),
    ] = None,
    tracking_uri: Annotated[
        str | None,
        typer.Option(metavar="URI", help="Send to this MLflow store instead of the one they began with.", show_default=False),
    ] = None,
    experiment: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Send to this MLflow experiment instead of the one they began with.", show_default=False
        ),
    ] = None,
) -> None:
    """Send what runs and sweeps recorded while their tracking store was away, and repair the local store after its home has moved.

    Everything arrives once, however often this is called and whatever interrupts it. Runs that were not tracked can be sent too.
    Exit code 1 if something was not sent; what cannot be sent is listed with the reason, and tried again by the next call.

    [bold]wb sync[/]                                            whatever waits
    [bold]wb sync latest --tracking-uri http://localhost:5000[/]
    [bold]wb sync latest --experiment NAME[/]                   if the experiment was deleted
    """
    console, home = Console(highlight=False, soft_wrap=True), wb_home()
    if moved := wb.tracking.relocate_store(home):
        console.print(f"this home has moved: {moved} artifact locations in its MLflow database lead here again")
    # Sweeps first: their trials stand under them.
    every: list[wb.runs.RunFolder | wb.sweep.SweepFolder] = [*wb.sweep.list_sweeps(home), *wb.runs.list_runs(home)]
    folders = [wb.runs.find_run(home, each) for each in runs] if runs else [each for each in every if _waits(each)]
    left = 0
    for folder in folders:
        try:
            left += _send(folder, tracking_uri, experiment, home, console)
        except WorkbenchError as error:
            left += 1
            console.print(f"{escape(folder.path.name)}  [red]not sent[/]  {escape(str(error))}")
    if not folders:
        console.print("nothing waits to be sent")
    if left:
        raise typer.Exit(1)


def _waits(folder: wb.runs.RunFolder | wb.sweep.SweepFolder) -> bool:
    """True if a run or sweep that is, or once was, tracked has something that did not arrive."""
    if not (folder.path / "journal.sqlite").exists():
        return False
    with closing(folder.journal()) as journal:
        return journal.meta("uri") is not None and journal.unsent() + journal.refusals() > 0


def _send(
    folder: wb.runs.RunFolder | wb.sweep.SweepFolder, option: str | None, experiment: str | None, home: Path, console: Console
) -> int:
    """Send what one journal holds; how many of its records have not arrived."""
    recipe = wb.recipe.load_stored(folder.recipe, None)
    with closing(folder.journal()) as journal:
        uri = wb.runs.tracking_uri_of(folder, recipe, option, home, journal)
        wb.runs.store_tracking_uri(journal, uri, home)
        if isinstance(folder, wb.runs.RunFolder):
            outbox = wb.tracking.Outbox(journal, folder.pictures)
            if not journal.meta("described"):
                wb.runs.describe_afterwards(folder, recipe, outbox)
                journal.set_meta(described="yes", experiment=recipe.tracking.experiment)
            wb.runs.describe_end(folder, journal, outbox)
        if experiment not in (None, journal.meta("experiment")):
            journal.set_meta(experiment=experiment)
            journal.forget_sending()
        if not isinstance(folder, wb.runs.RunFolder) or folder.status() != "RUNNING":
            journal.retry_refused()
        sent = wb.tracking.send_pending(journal, uri, journal.meta("experiment") or recipe.tracking.experiment, home)
        left, refused = journal.unsent(), journal.refusals()
        console.print(
            f"{escape(folder.path.name)}  {sent:,} sent"
            + (f", [yellow]{left:,} left[/]" if left else "")
            + (f", [yellow]{refused:,} cannot be sent[/]" if refused else "")
        )
        for kind, key, reason in journal.refused():
            console.print(f"  [yellow]{kind} {escape(key.lstrip('/'))}[/]: {escape(reason)}")
        return left + refused
