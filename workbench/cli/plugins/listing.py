"""wb plugins list"""

from __future__ import annotations

import json
from typing import Annotated

import typer

import workbench as wb


def list_plugins(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the packages that offer components: version, range of core versions, and problems that their metadata show.

    Nothing is imported; [bold]wb doctor[/] imports every component.

    [bold]wb plugins list[/]
    [bold]WB_PLUGINS=my-sampler wb plugins list[/]      only first-party packages and this one
    """
    plugins, unknown = wb.registry.find_plugins(), wb.registry.unknown_names()
    if as_json:
        typer.echo(json.dumps({"plugins": [_row(plugin) for plugin in plugins], "not_installed": unknown}, indent=2))
        return
    width = max((len(f"{plugin.name} {plugin.version}") for plugin in plugins), default=0)
    apis = max((len(plugin.api or "any") for plugin in plugins), default=0)
    for plugin in plugins:
        name = f"{plugin.name} {plugin.version}"
        state = typer.style(", ".join(plugin.states), fg="green" if plugin.states == ["ok"] else "yellow")
        typer.echo(f"{typer.style(f'{name:<{width}}', bold=True)}  core {plugin.api or 'any':<{apis}}  {state}")
        for problem in plugin.problems:
            typer.echo(typer.style(f"    {problem.message}", fg="yellow"))
        typer.echo(typer.style(f"    {_components(plugin)}", dim=True))
    for name in unknown:
        typer.echo(
            typer.style(f"{wb.registry.VARIABLE} names {name}, which is not installed or offers no components", fg="yellow")
        )


def _components(plugin: wb.registry.Plugin) -> str:
    kinds = dict.fromkeys(entry.kind for entry in plugin.entries)
    return "   ".join(f"{kind}: {', '.join(entry.name for entry in plugin.entries if entry.kind == kind)}" for kind in kinds)


def _row(plugin: wb.registry.Plugin) -> dict[str, object]:
    return {
        "package": plugin.name,
        "version": plugin.version,
        "core": plugin.api,
        "states": plugin.states,
        "troubles": [problem.message for problem in plugin.problems],
        "components": [{"kind": entry.kind, "name": entry.name, "target": entry.target} for entry in plugin.entries],
    }
