"""How errors are told: place, what is wrong, what would be right; never a traceback."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence

from workbench.errors import Problem, RecipeError, WorkbenchError
from workbench.secrets import conceal

SHOWN = 4


def report(error: WorkbenchError, arguments: Sequence[str]) -> None:
    """Write an error to stderr; `wb validate` shows every problem of a recipe, other verbs the first few."""
    if isinstance(error, RecipeError):
        everything = arguments[:1] == ["validate"]
        _recipe(error.problems, None if everything else _recipe_named(arguments))
    else:
        print(_wrapped(f"error: {error}"), file=sys.stderr)


def _recipe(problems: Sequence[Problem], recipe: str | None) -> None:
    several = len(problems) > SHOWN and recipe is not None
    for problem in problems[: SHOWN - 1] if several else problems:
        print(_wrapped(str(problem)), file=sys.stderr)
    if several:
        rest = problems[SHOWN - 1 :]
        tables = list(dict.fromkeys(problem.key.partition(".")[0] for problem in rest if problem.key))
        print(f"\n{len(rest)} more problems in {_listed(tables)}; all are listed with: wb validate {recipe}", file=sys.stderr)


def _recipe_named(arguments: Sequence[str]) -> str:
    return next((word for word in arguments[1:] if not word.startswith("-")), "RECIPE")


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]])) or "it"


def _wrapped(text: str) -> str:
    """Long lines go on four columns in. What could change the terminal, as a key of somebody's recipe, is shown by its code."""
    text = "".join(each if each == "\n" or each.isprintable() else repr(each)[1:-1] for each in conceal(text))
    width = max(60, min(shutil.get_terminal_size((120, 24)).columns, 140))
    lines = []
    for line in text.splitlines():
        indent = " " * (len(line) - len(line.lstrip())) or "    "
        lines += textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) or [""]
    return "\n".join(lines)
