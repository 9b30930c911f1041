"""Recipes: TOML files -> one frozen, checked description of a run."""

from workbench.recipe.building import slot_of
from workbench.recipe.changes import change_sampler, changes_to
from workbench.recipe.checks import check_sampler, warnings
from workbench.recipe.combinations import Axis, combinations, told_fields, variant
from workbench.recipe.decisive import decisive
from workbench.recipe.loading import dumps, load, load_stored, relative_paths, save
from workbench.recipe.model import Evaluate, ObjectiveSettings, Recipe, SamplerSlot, Slot, Tracking, Train
from workbench.recipe.paths import network_evaluations, path_of
from workbench.recipe.schema import schema
from workbench.recipe.sizes import count_images, size_warnings
from workbench.recipe.toml import text_of, value_of

__all__ = [
    "Axis",
    "Evaluate",
    "ObjectiveSettings",
    "Recipe",
    "SamplerSlot",
    "Slot",
    "Tracking",
    "Train",
    "change_sampler",
    "changes_to",
    "check_sampler",
    "combinations",
    "count_images",
    "decisive",
    "dumps",
    "load",
    "load_stored",
    "network_evaluations",
    "path_of",
    "relative_paths",
    "save",
    "schema",
    "size_warnings",
    "slot_of",
    "text_of",
    "told_fields",
    "value_of",
    "variant",
    "warnings",
]
