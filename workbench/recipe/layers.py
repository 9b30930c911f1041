"""A recipe merged over the one it extends, and `--set` over both, with the origin of each key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.errors import Problem, RecipeError
from workbench.files import is_file
from workbench.recipe import toml
from workbench.recipe.messages import brief
from workbench.recipe.model import SamplerSettings
from workbench.recipe.toml import Key

COMPONENTS: dict[Key, str] = {
    ("dataset",): "datasets",
    ("schedule",): "schedules",
    ("denoiser",): "denoisers",
    ("sampler",): "samplers",
    ("evaluate", "sampler"): "samplers",
}
# These keys of a sampler's table belong to the core, and are kept when another sampler is chosen.
CORE_KEYS = frozenset(SamplerSettings.model_fields)
MAX_EXTENDS = 16
SET = "--set"


@dataclass
class Layered:
    """Plain values, and for each key the (file, line) that set it."""

    where: str
    table: dict[str, Any] = field(default_factory=dict)
    origins: dict[Key, tuple[str, int | None]] = field(default_factory=dict)

    def problem(self, key: Key, message: str, shown: str | None = None) -> Problem:
        """A problem located at `key`, or at the nearest table that contains it."""
        place = key
        while place and place not in self.origins:
            place = place[:-1]
        where, line = self.origins.get(place, (self.where, None))
        return Problem(where, line, brief(".".join(key) if shown is None else shown), message)

    def folder(self, key: Key) -> Path:
        """The folder to which a relative path at `key` is relative: that of the file that sets the key, else the working directory.

        Runs and sweeps store absolute paths. Earlier versions stored paths as in the recipe, relative to the working directory.
        """
        while key and key not in self.origins:
            key = key[:-1]
        where, _ = self.origins.get(key, (self.where, None))
        is_option = where == "" or where.startswith("--")
        return Path.cwd() if is_option or is_stored(Path(where)) else Path(where).parent.absolute()


def read_layers(path: Path, overrides: Sequence[str]) -> Layered:
    """Read `path` and the recipes that it extends, then apply overrides such as `train.steps=10`; RecipeError if that fails."""
    result = Layered(str(path))
    for text in _chain(path):
        values = {key: value for key, value in text.table.items() if key != "extends"}
        _merge(result, values, text, ())
    # Components before their fields, whatever their order: choosing a component clears its table.
    for override in sorted(overrides, key=lambda text: not _chooses_component(text)):
        _override(result, override)
    return result


def is_stored(recipe: Path) -> bool:
    """True for the recipe in the folder of a run or a sweep."""
    return recipe.name == "recipe.toml" and any(is_file(recipe.with_name(name)) for name in ("run.json", "sweep.json"))


def _chooses_component(override: str) -> bool:
    names = tuple(part.strip() for part in override.partition("=")[0].split("."))
    return names in COMPONENTS or (names[-1] == "use" and names[:-1] in COMPONENTS)


def _chain(path: Path) -> list[toml.Text]:
    """The texts to merge, the farthest ancestor first."""
    texts: list[toml.Text] = []
    seen: list[Path] = []
    where: str = str(path)
    while True:
        text = toml.read(path, where, toml.MAX_BYTES - sum(text.size for text in texts))
        texts.insert(0, text)
        seen.append(path.resolve())
        base = text.table.get("extends")
        if base is None:
            return texts
        line = text.line(("extends",))
        if not isinstance(base, str):
            raise RecipeError([Problem(where, line, "extends", f"expected the name of a file in quotes, got {base!r:.60}")])
        path = path.parent / base
        if not is_file(path):
            raise RecipeError([Problem(where, line, "extends", f"no file {base!r:.80} (looked for {path.absolute()!s:.200})")])
        if path.resolve() in seen:
            raise RecipeError([Problem(where, line, "extends", f"{base!r:.80} extends this recipe in turn: a cycle")])
        if len(seen) >= MAX_EXTENDS:
            raise RecipeError([Problem(where, line, "extends", f"more than {MAX_EXTENDS} recipes extend one another")])
        where = str(path)


def _merge(result: Layered, values: dict[str, Any], text: toml.Text, at: Key) -> None:
    target = _table_at(result, at)
    for name, value in values.items():
        key = (*at, name)
        old = target.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            if key in COMPONENTS and "use" in value and value["use"] != old.get("use"):
                _clear_component(result, key)
            _merge(result, value, text, key)
        else:
            _forget(result, key, old)
            target[name] = {} if isinstance(value, dict) else value
            if isinstance(value, dict):
                _merge(result, value, text, key)
        result.origins[key] = (text.where, text.line(key))


def _clear_component(result: Layered, key: Key) -> None:
    """Remove the fields of the previous component: another one was chosen."""
    table = _table_at(result, key)
    for name in list(table):
        if not (COMPONENTS[key] == "samplers" and name in CORE_KEYS):
            _forget(result, (*key, name), table.pop(name))


def _forget(result: Layered, key: Key, value: Any) -> None:
    """Remove the origins of a value that is replaced, and of the values in it."""
    result.origins.pop(key, None)
    for name, inner in value.items() if isinstance(value, dict) else ():
        _forget(result, (*key, name), inner)


def _table_at(result: Layered, key: Key) -> dict[str, Any]:
    table = result.table
    for name in key:
        table = table[name]
    return table


def _override(result: Layered, override: str) -> None:
    dotted, equals, text = override.partition("=")
    names = tuple(part.strip() for part in dotted.split("."))
    if not equals or not all(names):
        raise RecipeError([Problem(SET, None, "", f"expected KEY=VALUE such as train.steps=100, got {override!r:.80}")])
    if len(names) > 8:
        raise RecipeError([Problem(SET, None, "", f"no recipe has a key as deep as {dotted!r:.80}")])
    value: Any = toml.parse_value(text.strip())
    for name in reversed(names):
        value = {name: value}
    _merge(result, value, toml.Text(SET, value, {}), ())
