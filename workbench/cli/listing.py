"""wb list"""

from __future__ import annotations

import json
import shutil
import sys
from itertools import groupby
from typing import Annotated, Any

import typer

import workbench as wb
from workbench.cli.completion import complete_kind
from workbench.errors import UnknownComponent
from workbench.registry import Kind

NARROWEST = 20  # columns of a description on a small terminal


def list_components(
    kind: Annotated[
        Kind | None,
        typer.Argument(help="Only this kind.", show_default=False, autocompletion=complete_kind),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the installed components by package, each with one sentence about it and with any problem that its metadata show.

    Nothing is imported: names are read from metadata, sentences from source files. [bold]wb doctor[/] imports every component.

    [bold]wb list[/]                 everything
    [bold]wb list samplers[/]        one kind
    [bold]wb list --json[/]          for programs
    """
    kinds = wb.registry.GROUPS if kind is None else (kind,)
    entries = {kind: wb.registry.installed(kind, hidden=True) for kind in kinds}
    if as_json:
        typer.echo(json.dumps({kind: [_row(entry) for entry in entries[kind]] for kind in kinds}, indent=2))
        return
    if not any(entries.values()):
        packages = " ".join(wb.registry.FIRST_PARTY.format(kind=kind) for kind in kinds)
        raise UnknownComponent(f"no components are installed: pip install {packages}")
    width = max(len(entry.name) for rows in entries.values() for entry in rows)
    for rows in entries.values():
        by_package = sorted(rows, key=_package)
        for package, group in groupby(by_package, key=_package):
            _print_package(package[1], list(group), width)
    typer.echo(typer.style("\nDetails of a component: wb show NAME", dim=True))


def _package(entry: wb.registry.Entry) -> tuple[bool, str]:
    """First-party packages come first."""
    return not wb.registry.is_first_party(entry.distribution), f"{entry.distribution} {entry.version}"


def _print_package(package: str, entries: list[wb.registry.Entry], width: int) -> None:
    typer.echo(f"{typer.style(entries[0].kind, bold=True)}  {typer.style(package, dim=True)}")
    for entry in entries:
        description = _cut(wb.registry.describe_component(entry), width + 4)
        typer.echo(f"  {entry.name:<{width}}  {description}".rstrip())
        for problem in wb.registry.plugin_problems(entry):
            typer.echo(typer.style(f"  {'':<{width}}  {problem.state}: {problem.message}", fg="yellow"))


def _cut(text: str, indent: int) -> str:
    """The text as far as the terminal is wide; all of it in a pipe or a file."""
    if not sys.stdout.isatty():
        return text
    room = max(shutil.get_terminal_size().columns - indent, NARROWEST)
    return text if len(text) <= room else f"{text[: room - 1].rstrip()}…"


def _row(entry: wb.registry.Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "description": wb.registry.describe_component(entry),
        "package": entry.distribution,
        "version": entry.version,
        "target": entry.target,
        "troubles": [f"{problem.state}: {problem.message}" for problem in wb.registry.plugin_problems(entry)],
    }
