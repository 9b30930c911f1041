"""The settings of a recipe that differ from the defaults."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from workbench.recipe.model import (
    Evaluate,
    ObjectiveSettings,
    Recipe,
    SamplerSettings,
    SamplerSlot,
    Slot,
    Tracking,
    Train,
    flatten,
)


def decisive_settings(recipe: Recipe) -> dict[str, object]:
    """The settings that are not at their defaults, with dotted keys: tracking stores show them as parameters.

    Components, seed and parameterization are always included; name, description and the space of a sweep never are.
    """
    plain = flatten(_plain(recipe))
    chosen = {key: value for key, value in recipe.flat().items() if (key, value) not in plain}
    return {key: value for key, value in chosen.items() if key not in ("name", "description") and not key.startswith("sweep.")}


def _plain(recipe: Recipe) -> dict[str, Any]:
    """The table of a recipe with the same components and the defaults for everything else."""
    evaluate = Evaluate().model_dump(mode="json", exclude_none=True, exclude={"sampler", "features"})
    if recipe.evaluate.sampler is not None:
        evaluate["sampler"] = plain_table(recipe.evaluate.sampler)
    sections = {"objective": ObjectiveSettings(), "train": Train(), "tracking": Tracking()}
    return {
        **{name: plain_table(getattr(recipe, name)) for name in ("dataset", "schedule", "denoiser", "sampler")},
        **{name: section.model_dump(mode="json", exclude_none=True) for name, section in sections.items()},
        "evaluate": evaluate,
    }


def plain_table(slot: Slot[Any]) -> dict[str, Any]:
    """The table of a slot with the component's defaults; fields without a default, or whose default needs other fields, are left out."""
    core = SamplerSettings().model_dump(mode="json", exclude_none=True) if isinstance(slot, SamplerSlot) else {}
    defaults = {}
    for name, field in type(slot.component).model_fields.items():
        if not field.is_required():
            with suppress(Exception):  # a default factory is third-party code, and may need other fields
                defaults[name] = field.get_default(call_default_factory=True)
    dumped = slot.component.model_copy(update=defaults).model_dump(mode="json", exclude_none=True, warnings=False)
    return {**core, **{name: value for name, value in dumped.items() if name in defaults}}
