"""A new recipe as text: given values with the meanings of their fields, and the names of the other fields."""

from __future__ import annotations

import json
import os
import re
import textwrap
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from workbench.errors import ScaffoldError
from workbench.recipe.building import SECTIONS, SLOTS
from workbench.recipe.layers import Layered, read_layers
from workbench.recipe.model import Evaluate, Heading, SamplerSettings
from workbench.recipe.places import place_paths
from workbench.recipe.search import Sweep
from workbench.recipe.toml import Key
from workbench.registry import Kind, load

CORE_TABLES: dict[str, type[BaseModel]] = {
    "recipe": Heading,
    "sampler": SamplerSettings,
    **SECTIONS,
    "evaluate": Evaluate,
    "sweep": Sweep,
}
# Recognizable images after 20 minutes on two CPU cores (recipes/cars_photos_cpu.toml).
START: dict[str, Any] = {
    "name": "folder",
    "description": "Any folder of images at 32 pixels, 20 minutes on two CPU cores; set dataset.root to your folder",
    "seed": 0,
    "parameterization": "v",
    "dataset": {"use": "folder", "root": "../images", "image_size": 32},
    "schedule": {"use": "cosine", "steps": 1000},
    "denoiser": {"use": "unet", "channels": 24, "multipliers": [1, 2, 4], "blocks": 1, "attention": [8]},
    "objective": {"weight": "min_snr"},
    "sampler": {"use": "ddim", "steps": 50},
    "train": {
        "steps": 5500,
        "max_minutes": 20.0,
        "batch_size": 32,
        "learning_rate": 2e-3,
        "warmup": 100,
        "decay": "cosine",
        "ema": 0.999,
    },
    "evaluate": {"samples": 500, "sampler": {"use": "dpmpp_2m", "steps": 25}},
}
OWN_TABLES: set[Key] = {("evaluate", "sampler"), ("sweep", "space")}
WIDTH = 110
PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


def write_new_recipe(name: str, path: Path, source: Path | None = None) -> str:
    """The text of a recipe `name` for the file `path`: that of `source` with all it extends, or one for a folder of images.

    Raises ScaffoldError if the name is not valid, RecipeError if `source` cannot be read, ComponentError if it names a component that
    is not installed.
    """
    try:
        Heading(name=name)
    except ValidationError as error:
        raise ScaffoldError(f"{name!r:.80} is not a recipe name (at most 80 letters, digits and . _ -)") from error
    given = Layered(str(path), START) if source is None else read_layers(source, ())
    if source is not None:
        given.table.pop("description", None)
    heading = {
        "name": name,
        **{field: given.table[field] for field in Heading.model_fields if field in given.table and field != "name"},
    }
    lines = [
        "#:schema ./recipe.schema.json",
        *_lines(heading, _meanings(Heading) | {"description": ""}, "recipe", ["description"]),
    ]
    for key, table in given.table.items():
        if isinstance(table, dict):
            lines += _section((key,), table, given, path.parent)
    return "\n".join(lines) + "\n"


def _section(key: Key, table: Mapping[str, Any], given: Layered, folder: Path) -> Iterator[str]:
    """One table with its header; [evaluate.sampler] and [sweep.space] follow as separate tables."""
    inner = {name: value for name, value in table.items() if isinstance(value, dict) and (*key, name) in OWN_TABLES}
    own = {name: value for name, value in table.items() if name not in inner}
    kind = _kind(key)
    model: type[BaseModel] = CORE_TABLES.get(key[-1], BaseModel) if kind is None else load(kind, str(table.get("use")))
    meanings = {"use": f"others: wb list {kind}"} if kind is not None else {}
    meanings |= _meanings(SamplerSettings) if kind == "samplers" else {}
    values = _rebased(model, own, lambda at: given.folder((*key, *at)), folder)
    yield f"\n[{'.'.join(map(_key, key))}]"
    yield from _lines(values, meanings | _meanings(model), str(table.get("use", key[-1])), [*inner, "use"])
    for name, value in inner.items():
        yield from _section((*key, name), value, given, folder)


def _kind(key: Key) -> Kind | None:
    """The kind of component that the table at `key` chooses; None for a table of the core."""
    return "samplers" if key == ("evaluate", "sampler") else SLOTS.get(key[0]) if len(key) == 1 else None


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    return {name: " ".join((field.description or "").split()) for name, field in model.model_fields.items()}


def _lines(values: Mapping[str, Any], meanings: Mapping[str, str], shown: str, without: Collection[str] = ()) -> Iterator[str]:
    """A line for each value with its meaning; then the names of the other fields, except those in `without`."""
    for name, value in values.items():
        meaning = meanings.get(name, "")
        yield f"{_key(name)} = {_value(value)}" + (f"  # {meaning}" if meaning else "")
    rest = [name for name in meanings if name not in values and name not in without]
    if rest:
        text = f"at their defaults (wb show {shown}): {', '.join(rest)}"
        yield from textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _rebased(model: type[BaseModel], table: Mapping[str, Any], folder_of: Callable[[Key], Path], folder: Path) -> dict[str, Any]:
    """Make relative paths relative to `folder`, and those that lead farther than to its siblings absolute."""
    placed = place_paths(model, table, folder_of)
    for name, value in placed.items():
        if value != table[name] and isinstance(value, str) and Path(value).is_absolute():
            relative = Path(os.path.relpath(value, folder))
            placed[name] = value if relative.parts[:2] == ("..", "..") else relative.as_posix()
    return placed


def _value(value: Any) -> str:
    """A value in TOML, on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(name)} = {_value(item)}" for name, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool) else str(value)


def _key(name: str) -> str:
    return name if PLAIN_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)
