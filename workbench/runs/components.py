"""The code that a run uses: distribution, version and hash of each component, in its folder."""

from __future__ import annotations

from workbench.recipe import Recipe, origins_of
from workbench.registry import describe_changes
from workbench.runs.folder import RunFolder


def record_origins(run: RunFolder, recipe: Recipe) -> None:
    """Write `components` to run.json; if a run is resumed with other code, the earlier components are kept."""
    now, info = [origin.to_dict() for origin in origins_of(recipe)], run.info()
    before = info.get("components")
    if before and before != now:
        run.update(components=now, earlier_components=[*info.get("earlier_components", []), before])
    else:
        run.update(components=now)


def changed_origins(run: RunFolder) -> list[str]:
    """One line for each component whose code has changed since."""
    return describe_changes(run.info().get("components", []))
