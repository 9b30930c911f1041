"""Options of `wb sweep` and `wb sweep-worker`, and what they stand for."""

from __future__ import annotations

import os
from typing import Annotated

import typer

import workbench as wb
from workbench.cli.completion import complete_recipe

VARIABLE = "WB_SWEEP_STORAGE"

OptionalRecipe = Annotated[
    str | None,
    typer.Argument(
        metavar="RECIPE",
        help="A recipe with \\[sweep] \\[default: recipes/sweep.toml].",
        show_default=False,
        autocompletion=complete_recipe,
    ),
]
Trials = Annotated[
    int | None,
    typer.Option(
        "--trials", "-n", min=1, max=1_000_000, help="Total number of trials, including those done before.", show_default=False
    ),
]
Workers = Annotated[
    int, typer.Option("--workers", "-w", min=1, max=256, help="Trials at a time; they share the threads and GPUs.")
]
Minutes = Annotated[float | None, typer.Option(min=0.01, help="Start no trial after this many minutes.", show_default=False)]
NewName = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="Name of the sweep \\[default: the recipe's].", show_default=False)
]
New = Annotated[bool, typer.Option("--new", help="Start another sweep even if one of this name exists.")]
MaxFailures = Annotated[int | None, typer.Option(min=0, help="Stop after more failed trials than this.", show_default=False)]
Storage = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help=f"PostgreSQL database, for several machines \\[env: [bold]{VARIABLE}[/]].", show_default=False
    ),
]
LauncherName = Annotated[
    str | None,
    typer.Option("--launcher", metavar="NAME", help="Start the workers on other machines: slurm, ray.", show_default=False),
]
LauncherSet = Annotated[
    list[str] | None, typer.Option(metavar="FIELD=VALUE", help="Set a field of the launcher. Repeatable.", show_default=False)
]
LeaseSeconds = Annotated[float | None, typer.Option(hidden=True, min=1.0)]


def storage_of(option: str | None) -> str | None:
    """The database URL from the option or the environment, checked; None for the sweep's own file."""
    url = option or os.environ.get(VARIABLE)
    return wb.sweep.check_storage(url) if url else None
