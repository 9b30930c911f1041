"""What of a recipe was chosen, and not left to defaults."""

from __future__ import annotations

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

__all__ = ["decisive"]


def decisive(recipe: Recipe) -> dict[str, object]:
    """What is not at its default, with dotted keys: for tracking, where whoever reads it wants to see what was chosen.

    Components, seed and parameterization are always in it; name and description never are.
    """
    plain = flatten(_plain(recipe))
    return {
        key: value for key, value in recipe.flat().items() if (key, value) not in plain and key not in ("name", "description")
    }


def _plain(recipe: Recipe) -> dict[str, Any]:
    """The table of a recipe with the same components, everything else of which was left to defaults."""
    evaluate = Evaluate().model_dump(mode="json", exclude_none=True, exclude={"sampler", "features"})
    if recipe.evaluate.sampler is not None:
        evaluate["sampler"] = _slot(recipe.evaluate.sampler)
    sections = {"objective": ObjectiveSettings(), "train": Train(), "tracking": Tracking()}
    return {
        **{name: _slot(getattr(recipe, name)) for name in ("dataset", "schedule", "denoiser", "sampler")},
        **{name: section.model_dump(mode="json", exclude_none=True) for name, section in sections.items()},
        "evaluate": evaluate,
    }


def _slot(slot: Slot[Any]) -> dict[str, Any]:
    fields = type(slot.component).model_fields
    defaults = {name: field.get_default(call_default_factory=True) for name, field in fields.items() if not field.is_required()}
    plain = type(slot.component).model_construct(**defaults).model_dump(mode="json", exclude_none=True, warnings=False)
    core = SamplerSettings().model_dump(mode="json", exclude_none=True) if isinstance(slot, SamplerSlot) else {}
    return {**core, **plain}
