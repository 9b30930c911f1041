"""wb show"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.completion import complete_component
from workbench.errors import UnknownComponent

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

__all__ = ["show"]


def show(
    component: Annotated[
        str, typer.Argument(metavar="COMPONENT", help="A name from `wb list`.", autocompletion=complete_component)
    ],
) -> None:
    """Show what a component is: its documentation, its fields with defaults and limits, its package.

    [bold]wb show ddim[/]
    [bold]wb show diffusion-workbench-samplers:ddim[/]   if several packages offer a `ddim`
    """
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table

    from workbench.registry import GROUPS, asked, installed, load

    found = [(kind, entry) for kind in GROUPS for entry in installed(kind) if component in (entry.name, entry.qualified)]
    if not found:
        from workbench.cli.nearest import nearest_components

        raise UnknownComponent(f"no component is called {component!r:.80}{nearest_components(component)}  (wb list)")
    console = Console(highlight=False)
    for kind, entry in found:
        cls = load(kind, entry.qualified)
        console.print(f"[bold]{entry.name}[/]  [dim]{kind.removesuffix('s')} from {entry.distribution} {entry.version}[/]\n")
        console.print(Padding(inspect.getdoc(cls) or "", (0, 2)))
        table = Table(box=None, padding=(0, 2), header_style="dim")
        for heading in ("field", "type", "default", "meaning"):
            table.add_column(heading, overflow="fold")
        with asked(kind, entry.qualified, "telling its fields"):
            for name, field in cls.model_fields.items():
                table.add_row(f"[bold]{name}[/]", _type(cls, name), _default(field), field.description or "")
        console.print()
        console.print(table if cls.model_fields else Padding("[dim]no fields[/]", (0, 2)))
        console.print()


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


def _type(cls: Any, name: str) -> str:
    """The field's type and limits in words, from its JSON Schema."""
    schema = cls.model_json_schema()
    return _words(schema["properties"][name], schema.get("$defs", {})).replace("[", "\\[")


def _words(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _words(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return " or ".join(_words(each, definitions) for each in schema["anyOf"] if each.get("type") != "null")
    if "enum" in schema:
        return " | ".join(str(each) for each in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {_words(schema.get('items', {}), definitions)}"
    kind = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true | false"}.get(
        str(schema.get("type")), "value"
    )
    low = (
        f"≥ {schema['minimum']:g}"
        if "minimum" in schema
        else f"> {schema['exclusiveMinimum']:g}"
        if "exclusiveMinimum" in schema
        else ""
    )
    high = (
        f"≤ {schema['maximum']:g}"
        if "maximum" in schema
        else f"< {schema['exclusiveMaximum']:g}"
        if "exclusiveMaximum" in schema
        else ""
    )
    return " ".join(filter(None, [kind, ", ".join(filter(None, [low, high]))]))
