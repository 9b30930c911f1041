"""Recipes: TOML files -> one frozen, checked description of a run."""

from workbench.recipe.building import slot_of
from workbench.recipe.checks import warnings
from workbench.recipe.combinations import Axis, combinations, variant
from workbench.recipe.loading import dumps, load, save
from workbench.recipe.model import Evaluate, ObjectiveSettings, Recipe, SamplerSlot, Slot, Tracking, Train
from workbench.recipe.schema import schema

__all__ = [
    "Axis",
    "Evaluate",
    "ObjectiveSettings",
    "Recipe",
    "SamplerSlot",
    "Slot",
    "Tracking",
    "Train",
    "combinations",
    "dumps",
    "load",
    "save",
    "schema",
    "slot_of",
    "variant",
    "warnings",
]
