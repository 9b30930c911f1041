"""wb validate"""

from __future__ import annotations

from pathlib import Path

import typer

import workbench as wb
from workbench.cli.arguments import RecipePath, Set


def validate(recipe: RecipePath, overrides: Set = None) -> None:
    """Check a recipe without building anything; report every problem with its file and line. Exit code 2 if there is one.

    [bold]wb validate recipes/cars_linear.toml[/]
    [bold]wb validate recipes/cars_photos.toml --set dataset.root=photos[/]
    """
    checked = wb.recipe.load(Path(recipe), overrides or [])
    for warning in [*wb.recipe.warnings(checked), *wb.recipe.size_warnings(checked, wb.recipe.count_images(checked))]:
        typer.echo(f"{typer.style('warning:', fg='yellow')} {warning}", err=True)
    parts = f"{checked.dataset.use}, {checked.schedule.use}, {checked.denoiser.use}, {checked.parameterization}, {checked.sampler.use}"
    typer.echo(f"{recipe}: ok ({checked.name}: {parts}; {checked.train.steps} steps)")
