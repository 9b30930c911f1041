"""wb plugins new"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.plugins.scaffold import NewKind, example_command, write_package


def new(
    kind: Annotated[
        NewKind,
        typer.Argument(metavar="KIND", help="sampler, schedule, denoiser, dataset, features or launcher.", show_default=False),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the package, e.g. my-sampler.")],
    into: Annotated[Path, typer.Option("--into", help="Create the package's folder in this folder.")] = Path(),
) -> None:
    """Create a package with one working component, its tests and a recipe.

    [bold]wb plugins new sampler my-sampler[/]      a folder my-sampler/ with a sampler called my_sampler
    """
    package = write_package(kind, name, into)
    typer.echo(f"{package.folder}: a {package.kind} called {typer.style(package.component, bold=True)}, in {package.source}")
    example, remark = example_command(kind, package.component)
    steps = {
        f"cd {package.folder}": "",
        'pip install -e ".[test]"': "into the environment that has wb",
        f"wb plugins check {package.component}": "the laws of its kind",
        "python -m pytest": "the same laws, and the package's own tests",
        example: remark,
    }
    width = max(map(len, steps))
    for command, remark in steps.items():
        typer.echo(f"  {command:<{width}}  {typer.style(remark, dim=True)}" if remark else f"  {command}")
