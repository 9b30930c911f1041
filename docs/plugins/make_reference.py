"""Writes reference.md from the signatures and docstrings of `workbench.interfaces`; a test fails while the two differ.

python docs/plugins/make_reference.py
"""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typing_extensions import Doc

from workbench import interfaces
from workbench.errors import WorkbenchError
from workbench.registry import BASES
from workbench.testing import checks

PAGE = Path(__file__).with_name("reference.md")
HEAD = """# Reference

What plugins implement and what they are given: everything in `workbench.interfaces`, as the code says it, and the checks of the conformance
kit. This page is written by `python docs/plugins/make_reference.py`; how to begin is told in [index.md](index.md).
"""
SECTIONS = {
    "What a plugin implements": ["Component", *(base.__name__ for base in BASES.values())],
    "What it is given and gives back": [
        "NoiseSource", "PosteriorMean", "SampleSpec", "Split", "Example", "Examples", "Provenance", "Resources", "ExtractorCard", "HasWeights",
        "WeightsFile", "LocalPath", "Launched", "read_tensors",
    ],
    "What it raises": ["CombinationError", "DataError", "DownloadError", "WeightsError", "StorageError", "LauncherError"],
    "What records runs": ["Tracker", "NullTracker", "RunStatus"],
}  # fmt: skip


def reference() -> str:
    """The page."""
    parts = [HEAD]
    named = {name for names in SECTIONS.values() for name in names}
    rest = sorted(set(interfaces.__all__) - named)
    for title, names in {**SECTIONS, **({"More": rest} if rest else {})}.items():
        parts.append(f"## {title}\n")
        parts += [_described(name, getattr(interfaces, name)) for name in names]
    parts.append(_kit())
    return "\n".join(parts)


def _described(name: str, value: Any) -> str:
    if isinstance(value, types.FunctionType):
        return f"### {name}\n\n```text\n{name}{_signature(value)}\n```\n\n{inspect.cleandoc(value.__doc__ or '')}\n"
    if typing.get_origin(value) is typing.Annotated:
        text = next(part.documentation for part in value.__metadata__ if isinstance(part, Doc))
        return f"### {name}\n\n```text\n{name} = Annotated[{value.__origin__.__name__}, ...]\n```\n\n{inspect.cleandoc(text)}\n"
    if not inspect.isclass(value):
        return f"### {name}\n\n```text\n{name} = {str(value).replace('typing.', '')}\n```\n"
    lines = [f"### {name}\n", f"```text\n{_head(name, value)}\n```\n", inspect.cleandoc(value.__doc__ or ""), ""]
    for member, function in _members(value):
        lines += [f"**`{member}`**", "", f"```text\n{function}\n```", ""]
        if text := _documentation(value, member):
            lines += [text, ""]
    return "\n".join(lines)


def _head(name: str, cls: type) -> str:
    bases = [base.__name__ for base in cls.__bases__ if base is not object and base.__name__ not in ("Generic", "BaseModel")]
    fields = []
    if dataclasses.is_dataclass(cls):
        for field in dataclasses.fields(cls):
            given = "" if field.default is dataclasses.MISSING else f" = {field.default!r}"
            if (
                field.default is not dataclasses.MISSING and callable(field.default)
            ) or field.default_factory is not dataclasses.MISSING:
                given = " = ..."
            fields.append(f"    {field.name}: {field.type}{given}")
    return "\n".join([f"class {name}({', '.join(bases)})" if bases else f"class {name}", *fields])


def _members(cls: type) -> Iterator[tuple[str, str]]:
    """The class's own public methods and properties, in the order in which they are written."""
    if issubclass(cls, WorkbenchError):
        return
    for member, value in vars(cls).items():
        if member.startswith("_") and member not in ("__call__", "__getitem__", "__len__"):
            continue
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if not isinstance(function, types.FunctionType) or function.__module__ != cls.__module__:
            continue
        abstract = "  # to be implemented" if getattr(function, "__isabstractmethod__", False) else ""
        kind = "property " if isinstance(value, property) else "classmethod " if isinstance(value, classmethod) else ""
        yield member, f"{kind}{member}{_signature(function)}{abstract}"


def _signature(function: types.FunctionType) -> str:
    # Annotations are strings, as they stand in the source: no module path, and nothing has to be importable.
    text = str(inspect.signature(function)).replace("'", "")
    if len(text) <= 110:
        return text
    inner, _, returned = text[1:].rpartition(") -> ")
    return "(\n" + textwrap.indent(textwrap.fill(inner, 110, break_long_words=False), "    ") + f"\n) -> {returned}"


def _documentation(cls: type, member: str) -> str:
    value = vars(cls)[member]
    return inspect.cleandoc(value.__doc__ or "") if getattr(value, "__doc__", None) else ""


def _kit() -> str:
    lines = ["## The checks", "", "What `wb plugins check` and the classes of `workbench.testing` run.", ""]
    for kind, base in BASES.items():
        lines += [f"### {kind}", "", f"For every `{base.__name__}`:", ""]
        lines += [f"- `{check.name}`: {check.statement}" for check in checks(kind)]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
