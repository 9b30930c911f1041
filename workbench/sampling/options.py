"""Options that change a recipe's sampler, as `wb sample` takes them: to a sampler, and back to options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.errors import Problem, RecipeError
from workbench.recipe import Recipe, SamplerSlot, change_sampler, changes_to, format_value, parse_value

OPTIONS = {"use": "--sampler", "steps": "--steps", "spacing": "--spacing", "eta": "--eta", "guidance": "--guidance"}
TABLE = "sampler."


def sampler_from_options(recipe: Recipe, options: Mapping[str, Any], settings: Sequence[str]) -> SamplerSlot:
    """The recipe's sampler with changes applied; RecipeError names the option that does not fit.

    `options`: value by field, None where the option is absent. `settings`: "sampler.FIELD=VALUE" texts, as after --set.
    """
    changes = {field: value for field, value in options.items() if value is not None}
    origins = {field: OPTIONS[field] for field in changes}
    for text in settings:
        field, value = _parse_setting(text)
        changes[field] = value
        origins[field.partition(".")[0]] = "--set"
    return change_sampler(recipe, changes, origins)


def options_for_sampler(slot: SamplerSlot, recipe: Recipe) -> list[str]:
    """The command-line words from which `sampler_from_options` builds this sampler."""
    words: list[str] = []
    for field, value in changes_to(slot, recipe).items():
        text = format_value(value)
        words += [OPTIONS[field], text] if field in OPTIONS else ["--set", f"{TABLE}{field}={text}"]
    return words


def _parse_setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        message = f"expected sampler.FIELD=VALUE such as sampler.clamp=false, got {text!r:.80}"
        raise RecipeError([Problem("--set", None, "", message)])
    if not key.startswith(TABLE) or key == TABLE:
        message = "only the sampler of a trained run can be changed: sampler.FIELD=VALUE such as sampler.clamp=false"
        raise RecipeError([Problem("--set", None, f"{key:.80}", message)])
    return key.removeprefix(TABLE), parse_value(value.strip())
