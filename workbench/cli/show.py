"""wb show"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

import workbench as wb
from workbench.cli.completion import complete_component_or_table
from workbench.errors import UnknownComponent

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="COMPONENT|TABLE",
            help="A name from `wb list`, or a table of recipes, e.g. train.",
            autocompletion=complete_component_or_table,
        ),
    ],
) -> None:
    """Show a component: its documentation, its fields with defaults and limits, its package.

    Also shows the tables of recipes that belong to the core: recipe (the keys outside of tables), sampler (the fields of every sampler),
    objective, train, evaluate, tracking and sweep.

    [bold]wb show ddim[/]
    [bold]wb show train[/]
    [bold]wb show diffusion-workbench-samplers:ddim[/]   if several packages offer a `ddim`
    """
    entries = [
        (kind, entry)
        for kind in wb.registry.GROUPS
        for entry in wb.registry.installed(kind)
        if name in (entry.name, entry.qualified)
    ]
    if not entries and name not in wb.recipe.CORE_TABLES:
        raise UnknownComponent(
            f"no component is called {name!r:.80}{wb.registry.suggest_component(name)}  (wb list; tables: {', '.join(wb.recipe.CORE_TABLES)})"
        )
    console = Console(highlight=False)
    if name in wb.recipe.CORE_TABLES:
        _show_table(console, name)
    for kind, entry in entries:
        _show_component(console, kind, entry)


def _show_table(console: Console, name: str) -> None:
    where = "keys outside of tables" if name == "recipe" else f"table \\[{name}] of recipes"
    console.print(f"[bold]{name}[/]  [dim]{where}, part of the core[/]\n")
    console.print(Padding(escape(inspect.getdoc(wb.recipe.CORE_TABLES[name]) or ""), (0, 2)))
    _print_fields(console, wb.recipe.CORE_TABLES[name])


def _show_component(console: Console, kind: wb.registry.Kind, entry: wb.registry.Entry) -> None:
    cls = wb.registry.load(kind, entry.qualified)
    console.print(f"[bold]{entry.name}[/]  [dim]{wb.registry.singular(kind)} from {entry.distribution} {entry.version}[/]\n")
    console.print(Padding(escape(inspect.getdoc(cls) or ""), (0, 2)))
    with wb.registry.plugin_call(kind, entry.qualified, "describing its fields"):
        _print_fields(console, cls)
    if kind == "samplers":
        console.print("  [dim]Fields that every sampler has:[/]")
        _print_fields(console, wb.recipe.CORE_TABLES["sampler"])


def _print_fields(console: Console, cls: type[BaseModel]) -> None:
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for heading in ("field", "type", "default", "meaning"):
        table.add_column(heading, overflow="fold")
    for name, field in _fields(cls):
        table.add_row(f"[bold]{name}[/]", _type(field), _default(field), escape(field.description or ""))
    console.print()
    console.print(table if table.row_count else Padding("[dim]no fields[/]", (0, 2)))
    console.print()


def _fields(cls: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """The fields of a table; the fields of a table within it follow, with dotted names."""
    from pydantic import BaseModel

    for name, field in cls.model_fields.items():
        yield f"{prefix}{name}", field
        for inner in () if prefix else get_args(field.annotation):
            if isinstance(inner, type) and issubclass(inner, BaseModel) and "use" not in inner.model_fields:
                yield from _fields(inner, f"{prefix}{name}.")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "[i]required[/]"
    if field.default_factory_takes_validated_data:
        return "[dim]from other fields[/]"
    return _toml(field.get_default(call_default_factory=True))


def _toml(value: Any) -> str:
    if value is None:
        return "[dim]absent[/]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "\\[" + ", ".join(map(_toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def _type(field: FieldInfo) -> str:
    """The type and limits of a field in words, from its JSON Schema."""
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        schema = TypeAdapter(field.rebuild_annotation()).json_schema()
    except PydanticUserError:  # the field holds components, which have schemas of their own
        return "list of names or tables" if "tuple" in str(field.annotation) else "table"
    return _words(schema, schema.get("$defs", {})).replace("[", "\\[")


def _words(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _words(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return " or ".join(_words(choice, definitions) for choice in schema["anyOf"] if choice.get("type") != "null")
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {_words(schema.get('items', {}), definitions)}"
    if schema.get("format") == "path":
        return "path"
    kind = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true | false", "object": "table"}.get(
        str(schema.get("type")), "value"
    )
    limits = [f"{sign} {schema[key]:g}" for key, sign in LIMITS.items() if key in schema]
    return " ".join(filter(None, [kind, ", ".join(limits)]))
