"""The code that a recipe's components come from."""

from __future__ import annotations

from workbench.recipe.model import Recipe
from workbench.registry import Origin, component_origins


def origins_of(recipe: Recipe) -> list[Origin]:
    """Distribution, version and hash of every component that the recipe names."""
    return component_origins((kind, slot.use) for kind, slot in recipe.components())
