"""Every combination of samplers and values of their fields, each checked like the sampler of a recipe."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from workbench.errors import Problem, RecipeError
from workbench.nearest import did_you_mean
from workbench.recipe.building import slot_of
from workbench.recipe.decisive import plain_table
from workbench.recipe.model import Recipe, SamplerSettings, SamplerSlot
from workbench.recipe.sampler_checks import ONLY_FOR, check_sampler
from workbench.recipe.toml import parse_value
from workbench.registry import load

MAX_PROBLEMS = 3  # the problems of many combinations are alike


@dataclass(frozen=True)
class AxisSettings:
    """The values that one field of a sampler's table takes in turn; `field` may name the sampler too: "ddpm.variance"."""

    field: str
    values: tuple[Any, ...]
    option: str  # that gave the values

    @classmethod
    def of(cls, field: str, texts: Iterable[str], option: str) -> AxisSettings:
        """From texts such as "5,10,20"; words need no quotes, and a list in brackets is one value."""
        return cls(field, tuple(parse_value(part) for text in texts for part in _parts(text)), option)

    def applies(self, sampler: str) -> bool:
        """True if the sampler's table has this field."""
        owner, dot, name = self.field.rpartition(".")
        return (not dot or owner == sampler) and name in _fields(sampler)

    @property
    def name(self) -> str:
        """The field without its sampler."""
        return self.field.rpartition(".")[2]


def sampler_combinations(recipe: Recipe, samplers: Sequence[str], axes: Sequence[AxisSettings]) -> list[SamplerSlot]:
    """Each sampler with each combination of the axes whose fields it has; the recipe's evaluation sampler if none is named.

    Fields that no axis varies are those of the recipe's evaluation sampler; fields of another sampler have their defaults. Raises
    ComponentError for unknown samplers, and RecipeError if a combination is not valid or an axis fits none of the samplers.
    """
    names = list(dict.fromkeys(samplers)) or [recipe.evaluation_sampler.use]
    problems = [_unused(axis, names) for axis in axes if not any(axis.applies(name) for name in names)]
    slots: list[SamplerSlot] = []
    for name in names:
        for table, options in _tables(recipe, name, axes):
            try:
                slot = cast("SamplerSlot", slot_of("samplers", table, options))
            except RecipeError as error:
                problems += error.problems
                continue
            if slot not in slots:
                slots.append(slot)
            problems += [
                Problem(options.get(key.partition(".")[2], ""), None, key, text) for key, text in check_sampler(slot, recipe)
            ]
    if problems:
        raise RecipeError(list(dict.fromkeys(problems))[:MAX_PROBLEMS])
    return slots


def described_fields(slot: SamplerSlot, varied: Collection[str] = ()) -> dict[str, str]:
    """The fields of a sampler as short texts: those in `varied`, and those that are not at their defaults."""
    plain = plain_table(slot)
    return {
        name: str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in slot.table().items()
        if name not in ("use", "steps") and (name in varied or value != plain.get(name))
    }


def variant(slot: SamplerSlot, varied: Collection[str] = ()) -> str:
    """A sampler with its described fields, without its steps: "ddim eta=1"."""
    return " ".join([slot.use, *(f"{name}={value}" for name, value in described_fields(slot, varied).items())])


def _tables(recipe: Recipe, name: str, axes: Sequence[AxisSettings]) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Tables of one sampler, with the option that set each field."""
    base = recipe.evaluation_sampler.table()
    if base["use"] != name:
        base = {"use": name} | {key: value for key, value in base.items() if key in SamplerSettings.model_fields}
    # "ddim.eta" is more specific than "eta", and replaces it.
    fitting = list({axis.name: axis for axis in sorted(axes, key=lambda axis: "." in axis.field) if axis.applies(name)}.values())
    options = {"use": "--sampler", **{axis.name: axis.option for axis in fitting}}
    spacings = {
        base["spacing"],
        *(value for axis in fitting if axis.name == "spacing" for value in axis.values if isinstance(value, str)),
    }
    for values in itertools.product(*(axis.values for axis in fitting)):
        table = base | {axis.name: value for axis, value in zip(fitting, values, strict=True)}
        # Like fields of another sampler: rho is left out for a spacing without it, and refused if no spacing has it.
        for field, owners in ONLY_FOR.items():
            if table["spacing"] not in owners and (field not in options or spacings & set(owners)):
                table.pop(field, None)
        yield table, options


def _fields(sampler: str) -> list[str]:
    return [*load("samplers", sampler).model_fields, *SamplerSettings.model_fields]


def _unused(axis: AxisSettings, names: Sequence[str]) -> Problem:
    owner, dot, name = axis.field.rpartition(".")
    if dot and owner not in names:
        return Problem(axis.option, None, axis.field, f"'{owner}' is not among the chosen samplers ({', '.join(names)})")
    fields = sorted({field for sampler in ([owner] if dot else names) for field in _fields(sampler)})
    subject = f"'{owner or names[0]}'" if dot or len(names) == 1 else f"any of {', '.join(names)}"
    return Problem(
        axis.option, None, axis.field, f"no such field of {subject} ({did_you_mean(name, fields)}fields: {', '.join(fields)})"
    )


def _parts(text: str) -> list[str]:
    """Split at the commas that are outside of brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]
