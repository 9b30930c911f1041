"""wb plugins: the packages that offer components, their checks, and new ones."""

from __future__ import annotations

import typer

from workbench.cli.plugins.check import check
from workbench.cli.plugins.listing import list_plugins
from workbench.cli.plugins.new import new
from workbench.cli.plugins.show import show

__all__ = ["plugins"]

plugins = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", help="List, check and create packages that offer components."
)
plugins.command("list")(list_plugins)
plugins.command()(show)
plugins.command()(check)
plugins.command()(new)
