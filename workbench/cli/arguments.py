"""Arguments and options that several verbs share."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from workbench.cli.completion import complete_recipe, complete_run

RecipePath = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file.", autocompletion=complete_recipe)]
RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run: its id, the beginning of it, a recipe's name or `latest`.", autocompletion=complete_run
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="KEY=VALUE",
        help="Change a field of the recipe, e.g. [bold]train.steps=100[/]. Repeatable.",
        show_default=False,
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite output files that exist.")]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option("--device", "-d", help="Where to compute.")]
