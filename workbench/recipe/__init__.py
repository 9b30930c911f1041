"""Recipes: TOML files -> one frozen, checked description of a run."""

from workbench.recipe.building import slot_of
from workbench.recipe.checks import check_sampler, warnings
from workbench.recipe.combinations import Axis, combinations, told_fields, variant
from workbench.recipe.decisive import decisive
from workbench.recipe.loading import dumps, load, relative_paths, save
from workbench.recipe.model import Evaluate, ObjectiveSettings, Recipe, SamplerSlot, Slot, Tracking, Train
from workbench.recipe.paths import network_evaluations, path_of
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
    "check_sampler",
    "combinations",
    "decisive",
    "dumps",
    "load",
    "network_evaluations",
    "path_of",
    "relative_paths",
    "save",
    "schema",
    "slot_of",
    "told_fields",
    "variant",
    "warnings",
]
