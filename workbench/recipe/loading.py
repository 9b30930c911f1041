"""The way from a file to a checked `Recipe`, and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from workbench.errors import Problem, RecipeError
from workbench.files import write_text
from workbench.recipe.building import build
from workbench.recipe.checks import check, describe_dataset
from workbench.recipe.layers import is_stored, layered
from workbench.recipe.model import Recipe, flatten
from workbench.recipe.toml import read

__all__ = ["dumps", "load", "relative_paths", "save"]


def load(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read, extend, override, validate and check a recipe; RecipeError with every problem found, in the order of the files."""
    source = layered(path, overrides)
    recipe, slots, problems = build(source)
    spec = None
    if "dataset" in slots:
        spec, findings = describe_dataset(slots["dataset"])
        problems += [source.problem(tuple(key.split(".")), message) for key, message in findings]
    if recipe is not None:
        problems += [source.problem(tuple(key.split(".")), message) for key, message in check(recipe, spec)]
    if problems or recipe is None:
        raise RecipeError(_sorted(problems))
    return recipe


def relative_paths(recipe: Recipe, path: Path) -> list[str]:
    """One line for each relative path that an earlier version stored in a run's recipe: it follows the working directory."""
    if not is_stored(path):
        return []
    stored = dict(flatten(read(path, str(path)).table))
    return [
        f"{key}: the run stores the relative path '{stored[key]}', which means {value} from this working directory"
        for key, value in recipe.flat().items()
        if isinstance(value, str) and isinstance(stored.get(key), str) and stored[key] != value
    ]


def dumps(recipe: Recipe) -> str:
    """The resolved recipe as TOML: nothing inherited, nothing left to defaults."""
    import tomli_w

    return tomli_w.dumps(recipe.table())


def save(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe; loading it gives an equal one."""
    write_text(path, dumps(recipe))


def _sorted(problems: list[Problem]) -> list[Problem]:
    once = list(dict.fromkeys(problems))
    return sorted(once, key=lambda problem: (problem.where == "--set", problem.where, problem.line or 0))
