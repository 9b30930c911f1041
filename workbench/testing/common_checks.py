"""What every component has to do."""

from __future__ import annotations

from workbench.interfaces import Component
from workbench.registry import Kind
from workbench.testing.checking import Check, NotConforming, require


def recipe_round_trip(kind: Kind) -> Check:
    """The check that a component can be written into a recipe and read again."""
    return Check(
        "recipe_round_trip", kind, "Written into a recipe and read again it is equal, and every field is described.", _round_trip
    )


def _round_trip(component: Component) -> None:
    frozen = bool(type(component).model_config.get("frozen"))
    require(frozen, "components are frozen: leave model_config's frozen = True")
    silent = [name for name, field in type(component).model_fields.items() if not field.description]
    require(not silent, f"fields without a description: {', '.join(silent)}")
    again = type(component).model_validate_json(component.model_dump_json(), strict=True)
    require(again == component, f"read again it is {again!r}, and was {component!r}")
    try:
        same = hash(again) == hash(component)
    except TypeError as error:
        raise NotConforming(f"it has no hash ({error}): use tuples for lists") from error
    require(same, "equal components must have equal hashes")
