"""Check everything that a run needs: libraries, components, recipes and the tracking store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from workbench.errors import RecipeError
from workbench.recipe import load
from workbench.registry import HealthFinding, check_components, installed
from workbench.tracking import prepare_environment, store_health


def check_health(home: Path, seconds: float) -> Iterator[HealthFinding]:
    """Check libraries, components, the recipes and the store of `home`; `seconds` is the time limit for importing a component."""
    prepare_environment()  # MLflow is imported by a child process, which inherits the settings
    yield from check_components(seconds)
    yield from _recipes(home)
    yield _store(home)


def _recipes(home: Path) -> Iterator[HealthFinding]:
    """The recipes in recipes/: usable as they are."""
    if not installed("datasets"):
        yield HealthFinding("broken", "data", "datasets", "none is installed", "pip install diffusion-workbench-datasets")
    for path in sorted((home / "recipes").glob("*.toml")):
        try:
            recipe = load(path)
        except RecipeError as error:
            first = error.problems[0]
            message = f"{first.key}: {first.message}".splitlines()[0]
            yield HealthFinding("note", "recipe", path.name, message, f"wb validate {path}")
        else:
            yield HealthFinding("ok", "recipe", path.name, f"{recipe.dataset.use} can be loaded")


def _store(home: Path) -> HealthFinding:
    """The tracking store: readable, or possible to create."""
    health = store_health(os.environ, home)
    state: Literal["ok", "note", "broken"] = "broken" if not health.sound else "note" if health.remedy else "ok"
    return HealthFinding(state, "store", health.where, health.description, health.remedy)
