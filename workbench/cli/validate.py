"""wb validate"""

from __future__ import annotations

from pathlib import Path

import typer

from workbench.cli.arguments import RecipePath, Set


def validate(recipe: RecipePath, overrides: Set = None) -> None:
    """Check a recipe without building anything: every problem, each with its file and line. Exit code 2 if there is one.

    [bold]wb validate recipes/cars_linear.toml[/]
    [bold]wb validate recipes/cars_photos.toml --set dataset.root=photos[/]
    """
    from workbench.recipe import count_images, load, size_warnings, warnings

    checked = load(Path(recipe), overrides or [])
    for warning in [*warnings(checked), *size_warnings(checked, count_images(checked))]:
        typer.echo(f"{typer.style('warning:', fg='yellow')} {warning}", err=True)
    parts = f"{checked.dataset.use}, {checked.schedule.use}, {checked.denoiser.use}, {checked.parameterization}, {checked.sampler.use}"
    typer.echo(f"{recipe}: ok ({checked.name}: {parts}; {checked.train.steps} steps)")
