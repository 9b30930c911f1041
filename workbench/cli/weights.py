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
    no_args_is_help=True, rich_markup_mode="rich", help="Manage weights of feature extractors that no package contains."
)
Extractor = Annotated[str, typer.Argument(metavar="EXTRACTOR", help="A feature extractor with its own weights, e.g. inception.")]


@weights.command("list")
def list_weights() -> None:
    """List the installed weights with their SHA-256."""
    for name, extractor in _extractors().items():
        files = extractor.weights_files()
        for file in files:
            typer.echo(f"{typer.style(name, bold=True)}  {file.path}  {file.note}\n    sha256 {file.sha256}")
        if not files:
            typer.echo(f"{typer.style(name, bold=True)}  not installed: wb weights get {name}")


@weights.command()
def get(
    extractor: Extractor,
    url: Annotated[str | None, typer.Option(help="Fetch the same file from another URL.", show_default=False)] = None,
) -> None:
    """Download the official weights; an interrupted download is resumed.

    [bold]wb weights get inception[/]      95 MB; respects HTTPS_PROXY
    """
    chosen = _find_extractor(extractor)
    with Progress(TextColumn(extractor), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task(extractor)
        file = chosen.fetch_weights(lambda done, total: bar.update(task, completed=done, total=total or None), url)
    typer.echo(f"{extractor}: {file.path} ({file.note}, sha256 {file.sha256})")


@weights.command()
def add(
    extractor: Extractor,
    file: Annotated[Path, typer.Argument(help="A safetensors file.")],
) -> None:
    """Install weights from a file, which is checked and copied.

    [bold]wb weights add inception pt_inception.safetensors[/]
    """
    installed = _find_extractor(extractor).add_weights(file)
    typer.echo(f"{extractor}: {installed.path} ({installed.note}, sha256 {installed.sha256})")


def _extractors() -> dict[str, Any]:
    extractors = {}
    for entry in wb.registry.installed("features"):
        with contextlib.suppress(ComponentError):  # a broken plugin must not hide the weights of others
            extractors[entry.name] = wb.registry.load("features", entry.qualified)
    return {name: extractor for name, extractor in extractors.items() if isinstance(extractor, wb.interfaces.HasWeights)}


def _find_extractor(name: str) -> Any:
    extractors = _extractors()
    if name not in extractors:
        raise UnknownComponent(
            f"no feature extractor with its own weights is called '{name}' (installed: {', '.join(extractors) or 'none'})"
        )
    return extractors[name]
