"""wb recipes, without a subcommand"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

import workbench as wb
from workbench.errors import CheckpointError, RecipeError
from workbench.home import wb_home

MAX_LENGTH = 500  # characters of a description


def list_recipes() -> None:
    """Print the recipes in recipes/: file, the recipe that it extends, description."""
    folder = wb_home() / "recipes"
    paths = sorted(folder.glob("*.toml"))
    if not paths:
        raise CheckpointError(f"no recipes in {folder}: change to the folder that contains recipes/, or set WB_HOME to it")
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for heading in ("recipe", "extends", "description"):
        table.add_column(heading, overflow="fold")
    for path in paths:
        values = _read(path)
        shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        cells = (escape(str(values.get(name, ""))[:MAX_LENGTH]) for name in ("extends", "description"))
        table.add_row(f"[bold]{escape(str(shown))}[/]", *cells)
    Console(highlight=False).print(table)


def _read(path: Path) -> dict[str, Any]:
    try:
        return wb.recipe.read(path, path.name).table
    except RecipeError:
        return {"description": f"cannot be read: wb validate {path.name}"}
