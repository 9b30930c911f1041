"""The options of `wb sample` that change a run's sampler: read from a command line, and written as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import workbench as wb
from workbench.errors import Problem, RecipeError

OPTIONS = {"use": "--sampler", "steps": "--steps", "spacing": "--spacing", "eta": "--eta", "guidance": "--guidance"}
TABLE = "sampler."


def sampler_of(recipe: wb.recipe.Recipe, options: Mapping[str, Any], settings: Sequence[str]) -> wb.recipe.SamplerSlot:
    """The recipe's sampler after `options`, by field and None where not given, and after "sampler.FIELD=VALUE" of --set."""
    changes = {field: value for field, value in options.items() if value is not None}
    origins = {field: OPTIONS[field] for field in changes}
    for text in settings:
        field, value = _setting(text)
        changes[field] = value
        origins[field.partition(".")[0]] = "--set"
    return wb.recipe.change_sampler(recipe, changes, origins)


def options_of(slot: wb.recipe.SamplerSlot, recipe: wb.recipe.Recipe) -> list[str]:
    """The words of a command line that `sampler_of` reads as this sampler."""
    words: list[str] = []
    for field, value in wb.recipe.changes_to(slot, recipe).items():
        words += (
            [OPTIONS[field], wb.recipe.format_value(value)]
            if field in OPTIONS
            else ["--set", f"{TABLE}{field}={wb.recipe.format_value(value)}"]
        )
    return words


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise RecipeError(
            [Problem("--set", None, "", f"expected sampler.FIELD=VALUE such as sampler.clamp=false, got {text!r:.80}")]
        )
    if not key.startswith(TABLE) or key == TABLE:
        what = "only the sampler of a trained run can be changed: sampler.FIELD=VALUE such as sampler.clamp=false"
        raise RecipeError([Problem("--set", None, f"{key:.80}", what)])
    return key.removeprefix(TABLE), wb.recipe.parse_value(value.strip())
