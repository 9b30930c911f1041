"""Relative paths in recipes: each is relative to the file that sets its key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from workbench.interfaces.paths import RelativeTo
from workbench.recipe.toml import Key


def place_paths(model: type[BaseModel], table: Mapping[str, Any], folder_of: Callable[[Key], Path]) -> dict[str, Any]:
    """Make relative paths in marked fields of `table` absolute, on the folders that `folder_of` returns for their keys."""
    return _placed_table(model, table, folder_of, ())


def _placed_table(model: type[BaseModel], table: Mapping[str, Any], folder_of: Callable[[Key], Path], at: Key) -> dict[str, Any]:
    fields = model.model_fields
    return {
        name: _placed((fields[name].rebuild_annotation(),), value, folder_of, (*at, name)) if name in fields else value
        for name, value in table.items()
    }


def _placed(annotations: Sequence[Any], value: Any, folder_of: Callable[[Key], Path], at: Key) -> Any:
    members = [member for annotation in annotations for member in _members(annotation)]
    mark = next((member for member in members if isinstance(member, RelativeTo)), None)
    if isinstance(value, str) and mark is not None:
        with suppress(ValueError):  # the field's own validator raises it again, with its location
            return mark.join(value, folder_of(at))
    model = next((member for member in members if isinstance(member, type) and issubclass(member, BaseModel)), None)
    if isinstance(value, dict) and model is not None:
        return _placed_table(model, value, folder_of, at)
    inside = [part for member in members for part in get_args(member)]
    if isinstance(value, list | tuple):
        return type(value)(_placed(inside, item, folder_of, at) for item in value)
    if isinstance(value, dict):
        return {name: _placed(inside, item, folder_of, (*at, name)) for name, item in value.items()}
    return value


def _members(annotation: Any) -> Iterator[Any]:
    """The alternatives of a union, each with the marks of its annotation."""
    if get_origin(annotation) in (Annotated, Union, UnionType):
        for part in get_args(annotation):
            yield from _members(part)
    else:
        yield annotation
