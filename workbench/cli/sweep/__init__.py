"""wb sweep: start or resume a search, and show its results."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from workbench.cli.sweep.best import best
from workbench.cli.sweep.listing import list_sweeps
from workbench.cli.sweep.run import run
from workbench.cli.sweep.show import show
from workbench.cli.sweep.worker import sweep_worker

__all__ = ["sweep", "sweep_worker"]


class _WithDefault(TyperGroup):
    """`wb sweep RECIPE` is `wb sweep run RECIPE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


sweep = typer.Typer(
    cls=_WithDefault, rich_markup_mode="rich", help="Search for good settings with Optuna: `wb sweep --trials 50`."
)
sweep.command("run")(run)
sweep.command("show")(show)
sweep.command("best")(best)
sweep.command("list")(list_sweeps)
