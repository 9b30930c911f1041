"""wb weights"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

import workbench as wb
from workbench.errors import ComponentError, UnknownComponent

weights = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", help="Weights of feature extractors that do not come with a package."
)
Extractor = Annotated[
    str, typer.Argument(metavar="EXTRACTOR", help="A feature extractor with weights of its own, e.g. inception.")
]


@weights.command("list")
def list_weights() -> None:
    """Show which weights are in place, with their SHA-256."""
    for name, extractor in _extractors().items():
        files = extractor.weights_files()
        for file in files:
            typer.echo(f"{typer.style(name, bold=True)}  {file.path}  {file.note}\n    sha256 {file.sha256}")
        if not files:
            typer.echo(f"{typer.style(name, bold=True)}  not in place: wb weights get {name}")


@weights.command()
def get(
    extractor: Extractor,
    url: Annotated[str | None, typer.Option(help="Another place to fetch the same file from.", show_default=False)] = None,
) -> None:
    """Download the official weights; an interrupted download goes on where it stopped.

    [bold]wb weights get inception[/]      95 MB; HTTPS_PROXY and its like are followed
    """
    chosen = _chosen(extractor)
    with Progress(TextColumn(extractor), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task(extractor)
        file = chosen.fetch_weights(lambda done, total: bar.update(task, completed=done, total=total or None), url)
    typer.echo(f"{extractor}: {file.path} ({file.note}, sha256 {file.sha256})")


@weights.command()
def add(
    extractor: Extractor,
    file: Annotated[Path, typer.Argument(help="A safetensors file.")],
) -> None:
    """Take weights from a file; it is checked and copied.

    [bold]wb weights add inception pt_inception.safetensors[/]
    """
    kept = _chosen(extractor).add_weights(file)
    typer.echo(f"{extractor}: {kept.path} ({kept.note}, sha256 {kept.sha256})")


def _extractors() -> dict[str, Any]:
    found = {}
    for entry in wb.registry.installed("features"):
        with contextlib.suppress(ComponentError):  # a broken plugin must not keep the others' weights from being seen to
            found[entry.name] = wb.registry.load("features", entry.qualified)
    return {name: extractor for name, extractor in found.items() if isinstance(extractor, wb.interfaces.HasWeights)}


def _chosen(name: str) -> Any:
    extractors = _extractors()
    if name not in extractors:
        raise UnknownComponent(
            f"no feature extractor with weights of its own is called '{name}'; there is: {', '.join(extractors) or 'none'}"
        )
    return extractors[name]
