"""From a file to a checked `Recipe`, and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from workbench.errors import Problem, RecipeError
from workbench.files import write_text
from workbench.interfaces import SampleSpec
from workbench.recipe.building import build
from workbench.recipe.checks import check
from workbench.recipe.dataset_checks import describe_dataset
from workbench.recipe.findings import Finding
from workbench.recipe.layers import Layered, is_stored, read_layers
from workbench.recipe.model import Recipe, flatten
from workbench.recipe.toml import read


def load(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read, extend, override, validate and check a recipe; RecipeError with every problem, in the order of the files."""
    source = read_layers(path, overrides)
    recipe, slots, problems = build(source)
    spec, findings = describe_dataset(slots["dataset"]) if "dataset" in slots else (None, [])
    return _checked(source, recipe, spec, problems + _located(source, findings))


def load_stored(path: Path, spec: SampleSpec | None, overrides: Sequence[str] = ()) -> Recipe:
    """Read the recipe that a run has stored, as `load` does, without its dataset, which may be gone.

    `spec` describes the data that the run was trained on; None if nothing that is checked depends on them.
    """
    source = read_layers(path, overrides)
    recipe, _, problems = build(source)
    return _checked(source, recipe, spec, problems)


def relative_paths(recipe: Recipe, path: Path) -> list[str]:
    """One line for each relative path that an earlier version stored in a run's recipe: it depends on the working directory."""
    if not is_stored(path):
        return []
    stored = dict(flatten(read(path, str(path)).table))
    return [
        f"{key}: the run stores the relative path '{stored[key]}', which means {value} from this working directory"
        for key, value in recipe.flat().items()
        if isinstance(value, str) and isinstance(stored.get(key), str) and stored[key] != value
    ]


def dumps(recipe: Recipe) -> str:
    """The resolved recipe as TOML: nothing inherited, every default written."""
    import tomli_w

    return tomli_w.dumps(recipe.table())


def save(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe; loading it gives an equal one."""
    write_text(path, dumps(recipe))


def _checked(source: Layered, recipe: Recipe | None, spec: SampleSpec | None, problems: list[Problem]) -> Recipe:
    conflicts = [] if recipe is None else _located(source, check(recipe, spec))
    if problems or conflicts or recipe is None:
        raise RecipeError(_sorted([*problems, *conflicts]))
    return recipe


def _located(source: Layered, findings: Sequence[Finding]) -> list[Problem]:
    return [source.problem(tuple(key.split(".")), message) for key, message in findings]


def _sorted(problems: list[Problem]) -> list[Problem]:
    unique = list(dict.fromkeys(problems))
    return sorted(unique, key=lambda problem: (problem.where == "--set", problem.where, problem.line or 0))
