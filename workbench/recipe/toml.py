"""Reading TOML, and knowing on which line each key stands."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import Problem, RecipeError

__all__ = ["Key", "Text", "parse", "read", "value_of"]

Key = tuple[str, ...]

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
_HEADER = re.compile(r"^\s*\[\[?\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
_ASSIGNMENT = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=(.*)$""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


@dataclass(frozen=True)
class Text:
    """A parsed file: its values and the line of each key."""

    where: str
    table: dict[str, Any]
    lines: dict[Key, int]

    def line(self, key: Key) -> int | None:
        """The line of a key, or of the nearest table around it."""
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key)


def read(path: Path, where: str) -> Text:
    """The file's values; RecipeError, naming the file as `where`, if it is missing, too large, or no TOML in UTF-8."""
    try:
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            raise _error(where, None, f"too large for a recipe ({path.stat().st_size:,} bytes; the limit is {MAX_BYTES:,})")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise _error(where, None, f"no such file (looked in {path.absolute().parent})") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = (
            "is a folder; name a file, for example recipes/cars_linear.toml" if path.is_dir() else f"cannot be read ({error})"
        )
        raise _error(where, None, reason) from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _error(where, data[: error.start].count(b"\n") + 1, "not valid UTF-8; save the file as UTF-8") from error
    return parse(text, where)


def parse(text: str, where: str) -> Text:
    """The values of TOML text; RecipeError with the line where it cannot be understood."""
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
        raise _error(where, int(at[1]) if at else None, f"not valid TOML: {told[:1].lower() + told[1:]}") from error
    if _too_deep(table):
        raise _error(where, None, f"nested too deeply (more than {MAX_DEPTH} levels)")
    return Text(where, table, _lines(text))


def value_of(text: str) -> Any:
    """A TOML value as written after `--set a.b=`; what is no TOML is taken as a string, so that words need no quotes."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if set(table) == {"value"} and not _too_deep(table) else text


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


def _error(where: str, line: int | None, message: str) -> RecipeError:
    return RecipeError([Problem(where, line, "", message)])


def _lines(text: str) -> dict[Key, int]:
    lines: dict[Key, int] = {}
    table: Key = ()
    inside = _Inside()
    for number, line in enumerate(text.splitlines(), start=1):
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
