"""wb recipes new"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import workbench as wb
from workbench.cli.completion import complete_recipe
from workbench.errors import ScaffoldError
from workbench.files import is_file, write_text
from workbench.home import wb_home


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the recipe and of its runs, e.g. birds.")],
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="RECIPE",
            help="Start from this recipe: a file, or a name from `wb recipes` [default: a recipe for a folder of images].",
            show_default=False,
            autocompletion=complete_recipe,
        ),
    ] = None,
) -> None:
    """Write recipes/NAME.toml: every value with its meaning, and the names of the fields with defaults.

    [bold]wb recipes new birds[/]                        for a folder of images
    [bold]wb recipes new slower --from cars_linear[/]    a recipe that extends no other
    """
    folder = wb_home() / "recipes"
    path = folder / f"{name}.toml"
    named = None if source is None else folder / f"{source}.toml"
    start = named if named is not None and is_file(named) else None if source is None else Path(source)
    text = wb.recipe.write_new_recipe(name, path, start)
    if path.exists():
        raise ScaffoldError(f"{path} already exists: choose another name, or edit that file")
    write_text(path, text)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    typer.echo(f"{typer.style(str(shown), bold=True)} written. Edit it, then:")
    for verb, purpose in {"validate": "check it", "explain": "estimate time and memory", "run": "train"}.items():
        typer.echo(f"  wb {verb} {shown}  {typer.style(purpose, dim=True)}")
