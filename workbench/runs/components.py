"""Which very code a run was made with, written into its folder."""

from __future__ import annotations

from workbench.recipe import Recipe, origins_of
from workbench.registry import differences
from workbench.runs.folder import RunFolder


def record_origins(run: RunFolder, recipe: Recipe) -> None:
    """Write `components` into run.json; what an interrupted run began with is kept where it goes on with other code."""
    now, info = [origin.to_dict() for origin in origins_of(recipe)], run.info()
    before = info.get("components")
    if before and before != now:
        run.update(components=now, earlier_components=[*info.get("earlier_components", []), before])
    else:
        run.update(components=now)


def changed_origins(run: RunFolder) -> list[str]:
    """One line for every component of a run that is other code now."""
    return differences(run.info().get("components", []))
