"""What of a recipe was chosen, and not left to defaults."""

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
    """What is not at its default, with dotted keys: for tracking, where whoever reads it wants to see what was chosen.

    Components, seed and parameterization are always in it; name, description and what a sweep would search never are.
    """
    plain = flatten(_plain(recipe))
    chosen = {key: value for key, value in recipe.flat().items() if (key, value) not in plain}
    return {key: value for key, value in chosen.items() if key not in ("name", "description") and not key.startswith("sweep.")}


def _plain(recipe: Recipe) -> dict[str, Any]:
    """The table of a recipe with the same components, everything else of which was left to defaults."""
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
    """The table of a slot whose component has its defaults, without those that it needs or that cannot be made alone."""
    core = SamplerSettings().model_dump(mode="json", exclude_none=True) if isinstance(slot, SamplerSlot) else {}
    defaults = {}
    for name, field in type(slot.component).model_fields.items():
        if not field.is_required():
            with suppress(Exception):  # a default factory is a stranger's code, and may want to be given other fields
                defaults[name] = field.get_default(call_default_factory=True)
    dumped = slot.component.model_copy(update=defaults).model_dump(mode="json", exclude_none=True, warnings=False)
    return {**core, **{name: value for name, value in dumped.items() if name in defaults}}
