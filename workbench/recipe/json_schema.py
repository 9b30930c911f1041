"""JSON Schema of recipes with the installed components, for editors that complete TOML."""

from __future__ import annotations

import json
from typing import Any

from workbench.errors import ComponentError
from workbench.interfaces import Component
from workbench.recipe.building import DEFAULT_FEATURES, SECTIONS, SLOTS
from workbench.recipe.model import Evaluate, Heading, SamplerSettings
from workbench.recipe.search import Sweep
from workbench.registry import Kind, installed, load, plugin_call


def schema() -> dict[str, Any]:
    """The schema of a recipe: a choice of tables for every slot, one for each installed component."""
    definitions: dict[str, Any] = {}
    heading = _of(Heading, "heading", definitions)["properties"]
    evaluate = _of(Evaluate, "evaluate", definitions, without=("sampler", "features"))
    evaluate["properties"]["sampler"] = _slot("samplers", definitions, str(Evaluate.model_fields["sampler"].description))
    names = [entry.name for entry in installed("features")]
    tables = _slot("features", definitions, "a feature extractor")
    evaluate["properties"]["features"] = {
        "type": "array",
        "items": {"anyOf": [{"enum": names}, tables]},
        "default": DEFAULT_FEATURES,
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Diffusion Workbench recipe",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "extends": {"type": "string", "description": "a recipe file, relative to this one, whose values this one overrides"},
            **heading,
            **{name: _slot(kind, definitions, f"a {kind.removesuffix('s')} and its fields") for name, kind in SLOTS.items()},
            **{name: _of(model, name, definitions) for name, model in SECTIONS.items()},
            "evaluate": evaluate,
            "sweep": _of(Sweep, "sweep", definitions),
        },
        "definitions": definitions,
    }


def _slot(kind: Kind, definitions: dict[str, Any], description: str) -> dict[str, Any]:
    choices = []
    for entry in installed(kind):
        try:
            component: type[Component] = load(kind, entry.qualified)
            with plugin_call(kind, entry.qualified, "its schema"):
                table = _of(component, f"{kind}.{entry.name}", definitions)
        except ComponentError:
            continue  # a broken plugin must not remove the others from the schema
        core = _of(SamplerSettings, "sampler", definitions)["properties"] if kind == "samplers" else {}
        table["properties"] = {"use": {"enum": [entry.name, entry.qualified]}, **core, **table.get("properties", {})}
        table["required"] = ["use", *table.get("required", [])]
        choices.append(table)
    return {"description": description, "oneOf": choices}


def _of(model: type[Any], prefix: str, definitions: dict[str, Any], without: tuple[str, ...] = ()) -> dict[str, Any]:
    """A model's schema with its local definitions moved to the shared ones."""
    whole = _properties(model, without) if without else model.model_json_schema()
    local = whole.pop("$defs", {})
    text = json.dumps([whole, local])
    for name in local:
        text = text.replace(f'"#/$defs/{name}"', f'"#/definitions/{prefix}.{name}"')
    table, renamed = json.loads(text)
    definitions.update({f"{prefix}.{name}": value for name, value in renamed.items()})
    table.pop("title", None)
    return table


def _properties(model: type[Any], without: tuple[str, ...]) -> dict[str, Any]:
    """The schema of some fields: those of slots hold components, which have no schema of their own."""
    from pydantic import TypeAdapter

    properties = {}
    for name, field in model.model_fields.items():
        if name in without:
            continue
        properties[name] = {
            **TypeAdapter(field.rebuild_annotation()).json_schema(),
            "default": field.default,
            "description": field.description,
        }
    return {"type": "object", "additionalProperties": False, "properties": properties, "description": model.__doc__}
