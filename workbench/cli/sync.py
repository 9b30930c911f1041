"""wb sync"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.completion import complete_run

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from workbench.engine import RunFolder

__all__ = ["sync"]

ENDS = ("finished", "killed", "failed")


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
) -> None:
    """Send what runs recorded while their tracking store was away.

    Everything arrives once, however often this is called and whatever interrupts it. Runs that were not tracked can be sent too.

    [bold]wb sync[/]                                            whatever waits
    [bold]wb sync latest --tracking-uri http://localhost:5000[/]
    """
    from rich.console import Console
    from rich.markup import escape

    from workbench.engine import find_run, list_runs
    from workbench.errors import WorkbenchError
    from workbench.home import wb_home

    console, home = Console(highlight=False, soft_wrap=True), wb_home()
    folders = [find_run(home, each) for each in runs] if runs else [each for each in list_runs(home) if _waits(each)]
    left = 0
    for folder in folders:
        try:
            left += _sent(folder, tracking_uri, home, console)
        except WorkbenchError as error:
            left += 1
            console.print(f"{escape(folder.id)}  [red]not sent[/]  {escape(str(error))}")
    if not folders:
        console.print("nothing waits to be sent")
    if left:
        raise typer.Exit(1)


def _waits(folder: RunFolder) -> bool:
    """Whether a run that is, or once was, tracked has something that did not arrive."""
    if not (folder.path / "journal.sqlite").exists():
        return False
    with closing(folder.journal()) as journal:
        return journal.meta("uri") is not None and journal.unsent() > 0


def _sent(folder: RunFolder, option: str | None, home: Path, console: Console) -> int:
    from rich.markup import escape

    from workbench.cli.tracked import place_of, remember
    from workbench.recipe import decisive, load_stored
    from workbench.tracking import Outbox, drained

    recipe = load_stored(folder.recipe, None)
    with closing(folder.journal()) as journal:
        uri = place_of(folder, recipe, option, home, journal)
        remember(journal, uri, home)
        outbox = Outbox(journal, folder.pictures)
        if not journal.meta("described"):  # a run that was not tracked
            outbox.params(decisive(recipe))
            outbox.tags({"wb.recipe": recipe.name})
            outbox.artifact(folder.recipe)
            for picture in sorted(folder.pictures.glob("*_*.png")):
                key, _, step = picture.stem.rpartition("_")
                outbox.picture(key, picture, int(step))
            journal.set_meta(described="yes", experiment=recipe.tracking.experiment)
        status, events = folder.status(), journal.events()
        if status != "RUNNING" and not (events and events[-1][0] in ENDS):
            outbox.finish(status)  # nobody could say it: the process was killed
            journal.event(status.lower(), int(folder.info().get("step", 0)))
        sent = drained(journal, uri, journal.meta("experiment") or recipe.tracking.experiment, home)
        left = journal.unsent()
        console.print(f"{escape(folder.id)}  {sent:,} sent" + (f", [yellow]{left:,} left[/]" if left else ""))
        for kind, key, reason in journal.refused():
            console.print(f"  [yellow]{kind} {escape(key)} was refused[/]: {escape(reason)}")
        return left
