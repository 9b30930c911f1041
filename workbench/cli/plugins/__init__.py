"""wb plugins: what strangers' packages bring, whether it holds, and how to begin one."""

from __future__ import annotations

import typer

from workbench.cli.plugins.check import check
from workbench.cli.plugins.listing import list_plugins
from workbench.cli.plugins.new import new
from workbench.cli.plugins.show import show

__all__ = ["plugins"]

plugins = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", help="Packages that bring components: what is installed, checks, a new one."
)
plugins.command("list")(list_plugins)
plugins.command()(show)
plugins.command()(check)
plugins.command()(new)
