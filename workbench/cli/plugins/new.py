"""wb plugins new"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from workbench.cli.plugins.scaffold import scaffold


def new(
    kind: Annotated[
        Literal["sampler", "schedule", "denoiser", "dataset", "features"],
        typer.Argument(metavar="KIND", help="sampler, schedule, denoiser, dataset or features.", show_default=False),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the package, e.g. my-sampler.")],
    into: Annotated[Path, typer.Option("--into", help="The folder in which the package's folder is made.")] = Path(),
) -> None:
    """Begin a package with one working component, its tests and a recipe that uses it.

    [bold]wb plugins new sampler my-sampler[/]      a folder my-sampler/ with a sampler called my_sampler
    """
    made = scaffold(kind, name, into)
    typer.echo(f"{made.folder}: a {made.kind} called {typer.style(made.component, bold=True)}, in {made.source}")
    steps = {
        f"cd {made.folder}": "",
        'pip install -e ".[test]"': "into the environment that has wb",
        f"wb plugins check {made.component}": "the laws of its kind",
        "python -m pytest": "the same in tests, with your own",
        "wb run recipe.toml": "a minute on two cores",
    }
    width = max(map(len, steps))
    for command, why in steps.items():
        typer.echo(f"  {command:<{width}}  {typer.style(why, dim=True)}" if why else f"  {command}")
