"""The checks for every component."""

from __future__ import annotations

from workbench.interfaces import Component
from workbench.registry import Kind
from workbench.testing.checking import Check, NotConforming, require


def recipe_round_trip(kind: Kind) -> Check:
    """The check that a component survives being written to a recipe and read again."""
    return Check(
        "recipe_round_trip",
        kind,
        "A component that is written to a recipe and read again is equal, and every field has a description.",
        _round_trip,
    )


def _round_trip(component: Component) -> None:
    frozen = bool(type(component).model_config.get("frozen"))
    require(frozen, "components are frozen: do not change frozen = True in model_config")
    undescribed = [name for name, field in type(component).model_fields.items() if not field.description]
    require(not undescribed, f"fields without a description: {', '.join(undescribed)}")
    again = type(component).model_validate_json(component.model_dump_json(), strict=True)
    require(again == component, f"read again, it is {again!r} instead of {component!r}")
    try:
        same = hash(again) == hash(component)
    except TypeError as error:
        raise NotConforming(f"it cannot be hashed ({error}): use tuples instead of lists") from error
    require(same, "equal components must have equal hashes")
