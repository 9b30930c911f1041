"""The recipe's sampler with some fields changed, and the changes that result in a given sampler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from workbench.errors import Problem, RecipeError
from workbench.recipe.building import slot_of
from workbench.recipe.decisive import plain_table
from workbench.recipe.model import Recipe, SamplerSettings, SamplerSlot
from workbench.recipe.sampler_checks import ONLY_FOR, check_sampler

NONE = "none"
OPTIONAL = frozenset(name for name, field in SamplerSettings.model_fields.items() if field.default is None)


def change_sampler(recipe: Recipe, changes: Mapping[str, Any], origins: Mapping[str, str]) -> SamplerSlot:
    """The sampler of a recipe after `changes`, from field to value, checked against the rest of the recipe.

    `use` starts from the defaults of that sampler's own fields, "churn.amount" changes a field of a table, and "none" clears a field that
    may be absent. Fields that belong to another spacing than the new one are dropped. `origins` names the option that set each field, for
    messages. Raises RecipeError if the result is not a valid sampler, or does not fit the recipe.
    """
    slot = cast("SamplerSlot", slot_of("samplers", _changed(recipe.sampler.table(), changes), origins))
    problems = [Problem(origins.get(key.split(".")[1], ""), None, key, message) for key, message in check_sampler(slot, recipe)]
    if problems:
        raise RecipeError(problems)
    return slot


def changes_to(slot: SamplerSlot, recipe: Recipe) -> dict[str, Any]:
    """The fewest changes after which the sampler of a recipe is `slot`; `use` and `steps` are always among them."""
    target = slot.table()
    changes = {"use": slot.use, "steps": slot.steps}
    if slot.spacing == "explicit" or slot.spacing != recipe.sampler.spacing:
        changes["spacing"] = slot.spacing
    start = plain_table(slot) | _changed(recipe.sampler.table(), changes)
    names = dict.fromkeys([*target, *OPTIONAL])
    changes |= {name: target.get(name, NONE) for name in names if target.get(name) != start.get(name)}
    return changes


def _changed(table: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    if "use" in changes:
        table = {"use": changes["use"], **{name: table[name] for name in SamplerSettings.model_fields if name in table}}
    if "steps" in changes and table["spacing"] == "explicit" and not {"spacing", "times"} & changes.keys():
        table["spacing"] = "uniform"
    for field, value in changes.items():
        name, dot, inner = field.partition(".")
        if dot:
            outer = table.get(name)
            table[name] = {**(outer if isinstance(outer, dict) else {}), inner: value}
        elif name in OPTIONAL and value == NONE:
            table.pop(name, None)
        else:
            table[name] = value
    for field, spacings in ONLY_FOR.items():
        if field not in changes and table["spacing"] not in spacings:
            table.pop(field, None)
    return table
