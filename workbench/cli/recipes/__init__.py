"""wb recipes"""

from __future__ import annotations

import typer

from workbench.cli.recipes.listing import list_recipes
from workbench.cli.recipes.new import new

__all__ = ["recipes"]

recipes = typer.Typer(rich_markup_mode="rich")
recipes.command()(new)


@recipes.callback(invoke_without_command=True)
def _list(context: typer.Context) -> None:
    """List the recipes in recipes/ with their descriptions; `wb recipes new` writes one.

    Run one with  [bold]wb run recipes/NAME.toml[/]; estimate its time and memory with  [bold]wb explain[/].
    """
    if context.invoked_subcommand is None:
        list_recipes()
