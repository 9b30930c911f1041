"""Recipes: TOML files -> one frozen, checked description of a run."""

from workbench.recipe.checks import warnings
from workbench.recipe.loading import dumps, load, save
from workbench.recipe.model import Evaluate, ObjectiveSettings, Recipe, SamplerSlot, Slot, Tracking, Train
from workbench.recipe.schema import schema

__all__ = [
    "Evaluate",
    "ObjectiveSettings",
    "Recipe",
    "SamplerSlot",
    "Slot",
    "Tracking",
    "Train",
    "dumps",
    "load",
    "save",
    "schema",
    "warnings",
]
