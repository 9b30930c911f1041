"""Reading TOML, with the line of each key."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import Problem, RecipeError

Key = tuple[str, ...]

MAX_BYTES = 250_000  # parsed in half a second
MAX_DEPTH = 32
MAX_BITS = 1000  # of integers: they do not overflow as floats, and Python prints all their digits
MAX_DIGITS = sys.get_int_max_str_digits()
MAX_MESSAGE = 300  # characters of the parser's message, which may quote a key
# Possessive throughout: the time is linear in the length of a line.
_KEY = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_DOTTED = rf"{_KEY}(?:\s*+\.\s*+{_KEY})*+"
_HEADER = re.compile(rf"^\s*+\[\[?+\s*+({_DOTTED})\s*+\]\]?+\s*+(?:#.*)?$")
_ASSIGNMENT = re.compile(rf"^\s*+({_DOTTED})\s*+=(.*)$")
_PART = re.compile(_KEY)
# Strings and comments, in which digits and brackets have no meaning. Their ends are optional, so that each character is read once.
_QUOTED = re.compile(
    r"""\"{3}(?:[^\\]|\\.)*?(?:"{3}|\Z)|'{3}.*?(?:'{3}|\Z)|"(?:[^"\\\n]|\\[^\n])*+"?|'[^'\n]*+'?|#[^\n]*+""", re.DOTALL
)
_DIGITS = re.compile(r"(?<![\w-])[0-9][0-9_]*+")
_BACKSLASHES = re.compile(r'"([^"\n]*\\[^"\n]*)')  # in double quotes
_ESCAPES = ("Unescaped", "Invalid hex", "Escaped", "Illegal character", "Unterminated string")
_LOST_BACKSLASH = re.compile(r"(?:[A-Za-z]:|\.{1,2})(?:\\.*)?[\t\n\b\f\r]", re.DOTALL)
_DEEP_KEY = re.compile(rf"^[ \t]*+\[{{0,2}}+[ \t]*+(?:{_KEY}[ \t]*+\.[ \t]*+){{{MAX_DEPTH}}}", re.MULTILINE)


@dataclass(frozen=True)
class Text:
    """A parsed file: its values and the line of each key."""

    where: str
    table: dict[str, Any]
    lines: dict[Key, int]
    size: int = 0  # characters

    def line(self, key: Key) -> int | None:
        """The line of a key, or of the nearest table that contains it."""
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key)


def read(path: Path, where: str, most: int = MAX_BYTES) -> Text:
    """The file's values; RecipeError, naming the file as `where`, if it is missing, larger than `most` bytes, or not TOML in UTF-8."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)  # a device or a pipe may have no end
    except FileNotFoundError as error:
        raise _error(where, None, f"no such file (looked in {path.absolute().parent})") from error
    except IsADirectoryError as error:
        raise _error(where, None, "is a folder; name a file, for example recipes/cars_linear.toml") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _error(where, None, f"cannot be read ({reason})") from error
    if len(data) > most:
        whole = "" if most == MAX_BYTES else ", together with those that extend it"
        raise _error(where, None, f"too large for a recipe (the limit is {MAX_BYTES:,} bytes{whole})")
    try:
        text = data.decode("utf-8-sig")  # editors on Windows write a byte order mark
    except UnicodeDecodeError as error:
        raise _error(where, data[: error.start].count(b"\n") + 1, "not valid UTF-8; save the file as UTF-8") from error
    return parse(text, where)


def parse(text: str, where: str) -> Text:
    """The values of TOML text; RecipeError with the line if it is not valid."""
    if deep := _DEEP_KEY.search(text):  # before parsing: tomllib needs time and memory quadratic in the parts of a key
        raise _error(where, text.count("\n", 0, deep.start()) + 1, f"nested too deeply (more than {MAX_DEPTH} levels)")
    try:
        table = tomllib.loads(text)
    except RecursionError as error:
        raise _error(where, _deep_line(text), f"nested too deeply (more than {MAX_DEPTH} levels)") from error
    except ValueError as error:  # TOMLDecodeError, and integers of thousands of digits
        raise _not_valid(text, where, str(error)) from error
    read = Text(where, table, _lines(text), len(text))
    if (deep_key := _too_deep(table)) is not None:
        raise _error(where, read.line(deep_key), f"nested too deeply (more than {MAX_DEPTH} levels)")
    if (key := _huge(table)) is not None:
        raise RecipeError([Problem(where, read.line(key), ".".join(key), "expected a whole number of reasonable size")])
    if (key := _escaped_path(table)) is not None:
        message = "looks like a Windows path in double quotes, where \\t, \\n, \\b, \\f and \\r are control characters: use single quotes, or /"
        raise RecipeError([Problem(where, read.line(key), ".".join(key), message)])
    return read


def parse_value(text: str) -> Any:
    """A TOML value as written after `--set a.b=`; text that is not TOML is taken as a string, so that words need no quotes.

    A Windows path may be in double quotes here.
    """
    unquoted = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return unquoted
    if set(table) != {"value"} or _too_deep(table) is not None or _huge(table) is not None:
        return text
    return table["value"] if _escaped_path(table) is None else unquoted


def format_value(value: Any) -> str:
    """A value as written after `--set a.b=`: `parse_value` returns it."""
    if isinstance(value, str):
        return value if parse_value(value) == value else json.dumps(value, ensure_ascii=False)
    return _inline(value)


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_bare(key)} = {_inline(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_inline, value))}]"
    return json.dumps(value, ensure_ascii=False)  # of words, numbers and booleans JSON and TOML write the same


def _bare(key: str) -> str:
    return key if key.isascii() and key.isidentifier() else json.dumps(key, ensure_ascii=False)


def _not_valid(text: str, where: str, message: str) -> RecipeError:
    """The parser's message with its line, and with a remedy for backslashes in double quotes."""
    if "integer string conversion" in message:
        starts = (
            match.start() for match in _DIGITS.finditer(_QUOTED.sub(_blank, text)) if len(match[0].replace("_", "")) > MAX_DIGITS
        )
        start = next(starts, None)
        return _error(where, None if start is None else _line_at(text, start), "not valid TOML: an integer with too many digits")
    at = re.search(r"\(at line (\d+), column \d+\)", message)
    line = int(at[1]) if at else _line_at(text, len(text.rstrip()))  # "at end of document"
    reported = re.sub(r"\s*\(at .*\)$", "", message)
    path = _BACKSLASHES.search(text.split("\n")[line - 1]) if reported.startswith(_ESCAPES) else None
    reported = reported if len(reported) <= MAX_MESSAGE else f"{reported[:MAX_MESSAGE]}..."
    advice = f"; in double quotes a backslash starts an escape: use single quotes, '{path[1]:.100}', or / for it" if path else ""
    return _error(where, line, f"not valid TOML: {reported[:1].lower() + reported[1:]}{advice}")


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _blank(match: re.Match[str]) -> str:
    return "".join("\n" if character == "\n" else " " for character in match[0])


def _deep_line(text: str) -> int | None:
    """The line on which brackets are nested too deeply."""
    depth = 0
    for bracket in re.finditer(r"[\[\]{}]", _QUOTED.sub(_blank, text)):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > MAX_DEPTH:
            return _line_at(text, bracket.start())
    return None


def _too_deep(table: dict[str, Any]) -> Key | None:
    """The key of a value that is nested too deeply."""
    level: list[tuple[Key, Any]] = [((), table)]
    for _ in range(MAX_DEPTH):
        level = [
            (inner_key, inner)
            for key, value in level
            for inner_key, inner in (_items(key, value) if isinstance(value, dict) else ((key, item) for item in value))
            if isinstance(inner, dict | list)
        ]
        if not level:
            return None
    return level[0][0]


def _items(key: Key, table: dict[str, Any]) -> Iterator[tuple[Key, Any]]:
    return (((*key, name), value) for name, value in table.items())


def _huge(table: dict[str, Any]) -> Key | None:
    """The key of an integer with hundreds of digits; in hexadecimal, TOML does not limit them."""
    return _first(table, lambda value: isinstance(value, int) and value.bit_length() > MAX_BITS)


def _escaped_path(table: dict[str, Any]) -> Key | None:
    """The key of a text that starts like a Windows path and contains a control character, as "C:\\temp" in double quotes does."""
    return _first(table, lambda value: isinstance(value, str) and _LOST_BACKSLASH.match(value) is not None)


def _first(value: Any, has_fault: Callable[[Any], bool], key: Key = ()) -> Key | None:
    """The first key, in the order of the text, whose value has a fault."""
    if isinstance(value, dict):
        keys = (_first(inner, has_fault, (*key, name)) for name, inner in value.items())
    elif isinstance(value, list):
        keys = (_first(item, has_fault, key) for item in value)
    else:
        return key if has_fault(value) else None
    return next((key for key in keys if key is not None), None)


def _error(where: str, line: int | None, message: str) -> RecipeError:
    return RecipeError([Problem(where, line, "", message)])


def _lines(text: str) -> dict[Key, int]:
    lines: dict[Key, int] = {}
    table: Key = ()
    inside = _MultilineValue()
    for number, line in enumerate(text.split("\n"), start=1):  # as TOML counts lines: no other character ends one
        if inside.has_ended:
            if header := _HEADER.match(line):
                table = _parts(header[1])
                lines.setdefault(table, number)
                continue
            if assignment := _ASSIGNMENT.match(line):
                key = table + _parts(assignment[1])
                for depth in range(len(table) + 1, len(key) + 1):
                    lines.setdefault(key[:depth], number)
                inside.scan(assignment[2])
        else:
            inside.scan(line)
    return lines


def _parts(dotted: str) -> Key:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


class _MultilineValue:
    """The state of the scan: inside a value of several lines, or not."""

    def __init__(self) -> None:
        self.quote, self.depth = "", 0

    @property
    def has_ended(self) -> bool:
        return not self.quote and self.depth == 0

    def scan(self, line: str) -> None:
        i = 0
        while i < len(line):
            if self.quote:
                i = self._quoted(line, i)
            elif line.startswith(('"""', "'''"), i):
                self.quote, i = line[i : i + 3], i + 3
            elif line[i] in "\"'":
                self.quote, i = line[i], i + 1
            elif line[i] == "#":
                break
            else:
                self.depth += (line[i] in "[{") - (line[i] in "]}")
                i += 1
        if len(self.quote) == 1:  # such a string ends with its line
            self.quote = ""

    def _quoted(self, line: str, i: int) -> int:
        if line[i] == "\\" and '"' in self.quote:
            return i + 2
        if line.startswith(self.quote, i):
            step = len(self.quote)
            self.quote = ""
            return i + step
        return i + 1
