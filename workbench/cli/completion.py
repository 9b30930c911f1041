"""Shell completion; reads names only, so that it is quick."""

from __future__ import annotations

from pathlib import Path

import workbench as wb
from workbench.home import wb_home


def complete_recipe(incomplete: str) -> list[str]:
    """Recipes in recipes/, and TOML files and folders that start with the typed text."""
    folder = wb_home() / "recipes"
    here = Path.cwd()
    shipped = [
        path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path) for path in sorted(folder.glob("*.toml"))
    ]
    typed = Path(incomplete)
    base = typed if incomplete.endswith("/") else typed.parent
    local = [
        path.as_posix() + ("/" if path.is_dir() else "")
        for path in sorted(base.glob("*"))
        if path.is_dir() or path.suffix == ".toml"
    ]
    return [name for name in dict.fromkeys([*shipped, *local]) if name.startswith(incomplete)]


def complete_run(incomplete: str) -> list[str]:
    """`latest`, and run ids, the newest first."""
    folders = sorted(
        (path.parent for path in (wb_home() / "runs").glob("*/run.json")), key=lambda path: path.stat().st_mtime, reverse=True
    )
    return [name for name in ["latest", *(path.name for path in folders)] if name.startswith(incomplete)]


def complete_recipe_or_run(incomplete: str) -> list[str]:
    """Recipes and runs."""
    return complete_recipe(incomplete) + complete_run(incomplete)


def complete_kind(incomplete: str) -> list[str]:
    """Kinds of components."""
    return [kind for kind in wb.registry.GROUPS if kind.startswith(incomplete)]


def complete_component(incomplete: str) -> list[str]:
    """Names of installed components."""
    return [
        entry.name for kind in wb.registry.GROUPS for entry in wb.registry.installed(kind) if entry.name.startswith(incomplete)
    ]


def complete_component_or_table(incomplete: str) -> list[str]:
    """Names of installed components and of the core's tables."""
    return complete_component(incomplete) + [name for name in wb.recipe.CORE_TABLES if name.startswith(incomplete)]


def complete_plugin(incomplete: str) -> list[str]:
    """Distributions that provide components."""
    return [plugin.name for plugin in wb.registry.find_plugins() if plugin.name.startswith(incomplete)]
