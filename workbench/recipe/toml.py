"""Reading TOML, and knowing on which line each key stands."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import Problem, RecipeError

__all__ = ["Key", "Text", "parse", "read", "text_of", "value_of"]

Key = tuple[str, ...]

MAX_BYTES = 250_000  # parsed in half a second
MAX_DEPTH = 32
MAX_BITS = 1000  # integers that do not overflow as floats, nor have more digits than Python prints
LONGEST = 300  # characters of the parser's words, which may quote a key
# Possessive throughout: a line costs what it is long, whoever wrote it.
_KEY = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_DOTTED = rf"{_KEY}(?:\s*+\.\s*+{_KEY})*+"
_HEADER = re.compile(rf"^\s*+\[\[?+\s*+({_DOTTED})\s*+\]\]?+\s*+(?:#.*)?$")
_ASSIGNMENT = re.compile(rf"^\s*+({_DOTTED})\s*+=(.*)$")
_PART = re.compile(_KEY)
_DEEP_KEY = re.compile(rf"^[ \t]*+\[{{0,2}}+[ \t]*+(?:{_KEY}[ \t]*+\.[ \t]*+){{{MAX_DEPTH}}}", re.MULTILINE)


@dataclass(frozen=True)
class Text:
    """A parsed file: its values and the line of each key."""

    where: str
    table: dict[str, Any]
    lines: dict[Key, int]
    size: int = 0  # characters

    def line(self, key: Key) -> int | None:
        """The line of a key, or of the nearest table around it."""
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key)


def read(path: Path, where: str, most: int = MAX_BYTES) -> Text:
    """The file's values; RecipeError, naming the file as `where`, if it is missing, larger than `most` bytes, or no TOML in UTF-8."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)  # what a device or a pipe has to say may have no end
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
        text = data.decode("utf-8-sig")  # editors on Windows begin files with a mark
    except UnicodeDecodeError as error:
        raise _error(where, data[: error.start].count(b"\n") + 1, "not valid UTF-8; save the file as UTF-8") from error
    return parse(text, where)


def parse(text: str, where: str) -> Text:
    """The values of TOML text; RecipeError with the line where it cannot be understood."""
    if deep := _DEEP_KEY.search(text):  # before it is parsed: tomllib takes time and memory by the square of a key's parts
        raise _error(where, text.count("\n", 0, deep.start()) + 1, f"nested too deeply (more than {MAX_DEPTH} levels)")
    try:
        table = tomllib.loads(text)
    except RecursionError as error:
        raise _error(where, None, "nested too deeply") from error
    except ValueError as error:  # TOMLDecodeError, and integers of thousands of digits
        message = str(error)
        at = re.search(r"\(at line (\d+), column \d+\)", message)
        told = (
            "an integer with thousands of digits"
            if "integer string conversion" in message
            else re.sub(r"\s*\(at .*\)$", "", message)
        )
        told = told if len(told) <= LONGEST else f"{told[:LONGEST]}..."
        raise _error(where, int(at[1]) if at else None, f"not valid TOML: {told[:1].lower() + told[1:]}") from error
    if _too_deep(table):
        raise _error(where, None, f"nested too deeply (more than {MAX_DEPTH} levels)")
    read = Text(where, table, _lines(text), len(text))
    if (key := _huge(table)) is not None:
        raise RecipeError([Problem(where, read.line(key), ".".join(key), "expected a whole number of reasonable size")])
    return read


def value_of(text: str) -> Any:
    """A TOML value as written after `--set a.b=`; what is no TOML is taken as a string, so that words need no quotes."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if set(table) == {"value"} and not _too_deep(table) and _huge(table) is None else text


def text_of(value: Any) -> str:
    """A value as written after `--set a.b=`: `value_of` gives it again."""
    if isinstance(value, str):
        return value if value_of(value) == value else json.dumps(value, ensure_ascii=False)
    return _inline(value)


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_bare(key)} = {_inline(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_inline, value))}]"
    return json.dumps(value, ensure_ascii=False)  # of words, numbers and booleans JSON and TOML write the same


def _bare(key: str) -> str:
    return key if key.isascii() and key.isidentifier() else json.dumps(key, ensure_ascii=False)


def _too_deep(table: dict[str, Any]) -> bool:
    level: list[Any] = [table]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _huge(value: Any, key: Key = ()) -> Key | None:
    """The key of an integer of hundreds of digits; written in hexadecimal there is no limit to them."""
    if isinstance(value, dict):
        return next((found for name, each in value.items() if (found := _huge(each, (*key, name))) is not None), None)
    if isinstance(value, list):
        return next((found for each in value if (found := _huge(each, key)) is not None), None)
    return key if isinstance(value, int) and value.bit_length() > MAX_BITS else None


def _error(where: str, line: int | None, message: str) -> RecipeError:
    return RecipeError([Problem(where, line, "", message)])


def _lines(text: str) -> dict[Key, int]:
    lines: dict[Key, int] = {}
    table: Key = ()
    inside = _Inside()
    for number, line in enumerate(text.split("\n"), start=1):  # as TOML counts them: no other character ends a line
        if inside.nothing:
            if header := _HEADER.match(line):
                table = _parts(header[1])
                lines.setdefault(table, number)
                continue
            if assignment := _ASSIGNMENT.match(line):
                key = table + _parts(assignment[1])
                for depth in range(len(table) + 1, len(key) + 1):
                    lines.setdefault(key[:depth], number)
                inside.take(assignment[2])
        else:
            inside.take(line)
    return lines


def _parts(dotted: str) -> Key:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


class _Inside:
    """Whether the scan is inside a value that goes on over lines."""

    def __init__(self) -> None:
        self.quote, self.depth = "", 0

    @property
    def nothing(self) -> bool:
        return not self.quote and self.depth == 0

    def take(self, line: str) -> None:
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
