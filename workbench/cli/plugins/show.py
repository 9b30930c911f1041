"""wb plugins show"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

import workbench as wb
from workbench.cli.completion import complete_plugin
from workbench.errors import UnknownComponent
from workbench.nearest import suggest

if TYPE_CHECKING:
    from importlib.metadata import Distribution


def show(
    package: Annotated[
        str, typer.Argument(metavar="PACKAGE", help="A name from `wb plugins list`.", autocompletion=complete_plugin)
    ],
) -> None:
    """Show what a package says of itself, what it brings, and the hash of its code. Nothing is imported.

    [bold]wb plugins show diffusion-workbench-samplers[/]
    """
    plugin = _found(package)
    metadata = wb.registry.distribution(plugin.name)
    told = metadata.metadata.json
    typer.echo(f"{typer.style(plugin.name, bold=True)} {plugin.version}  {told.get('summary', '')}".rstrip())
    rows = {
        "made for": f"diffusion-workbench {plugin.api or '(no range stated)'}",
        "state": ", ".join(plugin.states),
        "needs": ", ".join(text for text in metadata.requires or () if "extra ==" not in text) or "nothing",
        "licence": told.get("license_expression") or told.get("license") or "not stated",
        "installed": _where(metadata),
        "sha256": wb.registry.content_hash(plugin.name) or "its files cannot be found",
    }
    for heading, text in rows.items():
        typer.echo(f"  {heading:<10} {text}")
    for problem in plugin.problems:
        typer.echo(typer.style(f"  {problem.message}", fg="yellow"))
    for entry in plugin.entries:
        typer.echo(f"  {entry.kind:<10} {typer.style(entry.name, bold=True)}  {typer.style(entry.target, dim=True)}")
    typer.echo(typer.style("\nA component in detail: wb show NAME    does it hold: wb plugins check NAME", dim=True))


def _found(package: str) -> wb.registry.Plugin:
    found = {wb.registry.canonical_name(plugin.name): plugin for plugin in wb.registry.find_plugins()}
    name = wb.registry.canonical_name(package)
    if name in found:
        return found[name]
    owners = sorted({plugin.name for plugin in found.values() for entry in plugin.entries if entry.name == package})
    suggestion = f" (did you mean '{owners[0]}'?)" if owners else suggest(name, found)
    raise UnknownComponent(f"no installed package with components is called '{package}'{suggestion}  (wb plugins list)")


def _where(metadata: Distribution) -> str:
    """The folder, or for an editable install the source it points to."""
    try:
        direct = json.loads(metadata.read_text("direct_url.json") or "{}")
    except ValueError:
        direct = {}
    if direct.get("dir_info", {}).get("editable"):
        return f"editable, from {direct.get('url')}"
    return str(metadata.locate_file(""))
