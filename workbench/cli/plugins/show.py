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
    """Show the metadata of a package, its components, and the hash of its code. Nothing is imported.

    [bold]wb plugins show diffusion-workbench-samplers[/]
    """
    plugin = _find(package)
    metadata = wb.registry.distribution(plugin.name)
    fields = metadata.metadata.json
    typer.echo(f"{typer.style(plugin.name, bold=True)} {plugin.version}  {fields.get('summary', '')}".rstrip())
    rows = {
        "made for": f"diffusion-workbench {plugin.api or '(no range stated)'}",
        "state": ", ".join(plugin.states),
        "needs": ", ".join(text for text in metadata.requires or () if "extra ==" not in text) or "nothing",
        "licence": fields.get("license_expression") or fields.get("license") or "not stated",
        "installed": _where(metadata),
        "sha256": wb.registry.content_hash(plugin.name) or "its files cannot be found",
    }
    for heading, text in rows.items():
        typer.echo(f"  {heading:<10} {text}")
    for problem in plugin.problems:
        typer.echo(typer.style(f"  {problem.message}", fg="yellow"))
    for entry in plugin.entries:
        typer.echo(f"  {entry.kind:<10} {typer.style(entry.name, bold=True)}  {typer.style(entry.target, dim=True)}")
    typer.echo(typer.style("\nDetails of a component: wb show NAME    its checks: wb plugins check NAME", dim=True))


def _find(package: str) -> wb.registry.Plugin:
    plugins = {wb.registry.canonical_name(plugin.name): plugin for plugin in wb.registry.find_plugins()}
    name = wb.registry.canonical_name(package)
    if name in plugins:
        return plugins[name]
    owners = sorted({plugin.name for plugin in plugins.values() for entry in plugin.entries if entry.name == package})
    suggestion = f" (did you mean '{owners[0]}'?)" if owners else suggest(name, plugins)
    raise UnknownComponent(f"no installed package with components is called '{package}'{suggestion}  (wb plugins list)")


def _where(metadata: Distribution) -> str:
    """The folder; for an editable install, the source that it points to."""
    try:
        direct = json.loads(metadata.read_text("direct_url.json") or "{}")
    except ValueError:
        direct = {}
    if direct.get("dir_info", {}).get("editable"):
        return f"editable, from {direct.get('url')}"
    return str(metadata.locate_file(""))
