"""Print errors: the place, what is wrong, what would be right; never a traceback."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence

from workbench.errors import Problem, RecipeError, WorkbenchError
from workbench.secrets import conceal

SHOWN = 4


def report(error: WorkbenchError, arguments: Sequence[str]) -> None:
    """Print an error to stderr; `wb validate` shows every problem of a recipe, other verbs the first few."""
    if isinstance(error, RecipeError):
        everything = arguments[:1] == ["validate"]
        _print_problems(error.problems, None if everything else _recipe_argument(arguments))
    else:
        print(_wrap(f"error: {error}"), file=sys.stderr)


def _print_problems(problems: Sequence[Problem], recipe: str | None) -> None:
    several = len(problems) > SHOWN and recipe is not None
    for problem in problems[: SHOWN - 1] if several else problems:
        print(_wrap(str(problem)), file=sys.stderr)
    if several:
        rest = problems[SHOWN - 1 :]
        tables = list(dict.fromkeys(problem.key.partition(".")[0] for problem in rest if problem.key))
        print(f"\n{len(rest)} more problems in {_join(tables)}; list all: wb validate {recipe}", file=sys.stderr)


def _recipe_argument(arguments: Sequence[str]) -> str:
    return next((word for word in arguments[1:] if not word.startswith("-")), "RECIPE")


def _join(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]])) or "it"


def _wrap(text: str) -> str:
    """Wrap long lines with an indent of four columns, and escape control characters, which a key of a recipe may hold."""
    text = "".join(sign if sign == "\n" or sign.isprintable() else repr(sign)[1:-1] for sign in conceal(text))
    width = max(60, min(shutil.get_terminal_size((120, 24)).columns, 140))
    lines = []
    for line in text.splitlines():
        indent = " " * (len(line) - len(line.lstrip())) or "    "
        lines += textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) or [""]
    return "\n".join(lines)
