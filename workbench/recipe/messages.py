"""Messages for pydantic's errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic_core import ErrorDetails

from workbench.nearest import did_you_mean
from workbench.secrets import mask_password

MAX_KEY = 60

_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of reasonable size",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text in quotes",
    "tuple_type": "a list in [ ]",
    "list_type": "a list in [ ]",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
_BOUNDS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
    "multiple_of": ("a multiple of", "multiple_of"),
}
_LENGTHS = {
    "too_short": ("at least", "min_length"),
    "too_long": ("at most", "max_length"),
}


def explain(error: ErrorDetails, fields: Iterable[str], owner: str) -> str:
    """One line that states the fault and what is expected."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return f"no such field of {owner} ({did_you_mean(str(error['loc'][-1]), fields)}fields: {', '.join(sorted(fields)) or 'none'})"
    if kind == "missing":
        return "missing, and has no default"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, got {shown(value)}"
    if kind in _BOUNDS:
        relation, name = _BOUNDS[kind]
        return f"must be {relation} {_bound(context[name])}, got {shown(value)}"
    if kind in _LENGTHS:
        relation, name = _LENGTHS[kind]
        return f"must have {relation} {context[name]} items, got {len(value)}"
    if kind == "string_too_short":
        return "must not be empty"
    if kind == "string_too_long":
        return f"must have at most {context['max_length']} characters, has {len(str(value))}"
    if kind == "literal_error":
        return f"must be {context['expected']}, got {shown(value)}"
    if kind == "finite_number":
        return f"must be a finite number, got {shown(value)}"
    if kind in ("value_error", "assertion_error"):
        return str(context.get("error", error["msg"]))
    if kind == "string_pattern_mismatch":
        return f"must match {context['pattern']}, got {shown(value)}"
    return f"{error['msg'][:1].lower()}{error['msg'][1:]}, got {shown(value)}"


def _bound(value: Any) -> str:
    """A limit; those of a plugin's fields may be dates or decimals."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def brief(key: str) -> str:
    """A dotted key for printing: one line of limited length, without control characters."""
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in key[:MAX_KEY])
    return text if len(key) <= MAX_KEY else f"{text}..."


def shown(value: Any) -> str:
    """A value as TOML writes it, cut to a reasonable length."""
    text = str(value).lower() if isinstance(value, bool) else mask_password(repr(value))
    return text if len(text) <= 60 else text[:57] + "..."
