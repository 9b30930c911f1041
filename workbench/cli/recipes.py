"""wb recipes"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from workbench.errors import CheckpointError

__all__ = ["recipes"]


def recipes() -> None:
    """List the recipes in recipes/, with what they are about.

    Run one with  [bold]wb run recipes/NAME.toml[/]; see what it would cost with  [bold]wb explain[/].
    """
    from rich.console import Console
    from rich.table import Table

    from workbench.home import wb_home

    folder = wb_home() / "recipes"
    paths = sorted(folder.glob("*.toml"))
    if not paths:
        raise CheckpointError(f"no recipes in {folder}; go to the folder that holds recipes/, or set WB_HOME to it")
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for heading in ("recipe", "extends", "description"):
        table.add_column(heading, overflow="fold")
    for path in paths:
        values = _read(path)
        shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        table.add_row(f"[bold]{shown}[/]", str(values.get("extends", "")), str(values.get("description", "")))
    Console(highlight=False).print(table)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return {"description": f"cannot be read: wb validate {path.name}"}
