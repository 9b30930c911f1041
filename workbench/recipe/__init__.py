"""Recipes: TOML files -> one frozen, checked description of a run."""

from workbench.recipe.building import slot_of
from workbench.recipe.changes import change_sampler, changes_to
from workbench.recipe.checks import check_sampler, warnings
from workbench.recipe.combinations import AxisSettings, combinations, described_fields, variant
from workbench.recipe.decisive import decisive
from workbench.recipe.loading import dumps, load, load_stored, relative_paths, save
from workbench.recipe.model import Evaluate, ObjectiveSettings, Recipe, SamplerSlot, Slot, Tracking, Train
from workbench.recipe.schema import schema
from workbench.recipe.sizes import count_images, size_warnings
from workbench.recipe.time_grid import expected_nfe, time_grid_of
from workbench.recipe.toml import format_value, parse_value

__all__ = [
    "AxisSettings",
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
    "described_fields",
    "dumps",
    "expected_nfe",
    "format_value",
    "load",
    "load_stored",
    "parse_value",
    "relative_paths",
    "save",
    "schema",
    "size_warnings",
    "slot_of",
    "time_grid_of",
    "variant",
    "warnings",
]
