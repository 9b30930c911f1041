"""wb list"""

from __future__ import annotations

import json
from typing import Annotated

import typer

import workbench as wb
from workbench.cli.completion import complete_kind
from workbench.errors import UnknownComponent
from workbench.registry import Kind


def list_components(
    kind: Annotated[
        Kind | None,
        typer.Argument(help="Only this kind.", show_default=False, autocompletion=complete_kind),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the installed components, each with the package it comes from, and what keeps one from being used.

    Nothing is imported: the list is read from the packages' metadata. Whether a component can be imported, tells  [bold]wb doctor[/].

    [bold]wb list[/]                 everything
    [bold]wb list samplers[/]        one kind
    [bold]wb list --json[/]          for programs
    """
    kinds = wb.registry.GROUPS if kind is None else (kind,)
    entries = {each: wb.registry.installed(each, hidden=True) for each in kinds}
    if as_json:
        rows = {
            each: [
                {
                    "name": entry.name,
                    "package": entry.distribution,
                    "version": entry.version,
                    "target": entry.target,
                    "troubles": [f"{trouble.state}: {trouble.message}" for trouble in wb.registry.plugin_problems(entry)],
                }
                for entry in entries[each]
            ]
            for each in kinds
        }
        typer.echo(json.dumps(rows, indent=2))
        return
    if not any(entries.values()):
        packages = " ".join(wb.registry.FIRST_PARTY.format(kind=each) for each in kinds)
        raise UnknownComponent(f"nothing is installed yet: pip install {packages}")
    width = max(len(entry.name) for rows in entries.values() for entry in rows)
    for each in kinds:
        typer.echo(typer.style(each, bold=True))
        for entry in entries[each]:
            typer.echo(f"  {entry.name:<{width}}  {typer.style(f'{entry.distribution} {entry.version}', dim=True)}")
            for trouble in wb.registry.plugin_problems(entry):
                typer.echo(typer.style(f"  {'':<{width}}  {trouble.state}: {trouble.message}", fg="yellow"))
    typer.echo(typer.style("\nOne in detail: wb show NAME", dim=True))
