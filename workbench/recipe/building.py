"""From plain values to a `Recipe`: names to classes, tables to components; all problems are collected."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from workbench.errors import BrokenComponent, ComponentError, Problem, RecipeError
from workbench.interfaces import Component
from workbench.nearest import did_you_mean
from workbench.recipe import messages
from workbench.recipe.layers import CORE_KEYS, Layered
from workbench.recipe.model import (
    INHERITED,
    Evaluate,
    Heading,
    ObjectiveSettings,
    Recipe,
    SamplerSettings,
    SamplerSlot,
    Slot,
    Tracking,
    Train,
)
from workbench.recipe.places import place_paths
from workbench.recipe.search import Space, Sweep
from workbench.recipe.toml import Key
from workbench.registry import Kind, installed, load, plugin_call

M = TypeVar("M", bound=BaseModel)
SECTIONS: dict[str, type[BaseModel]] = {"objective": ObjectiveSettings, "train": Train, "tracking": Tracking}
SLOTS: dict[str, Kind] = {"dataset": "datasets", "schedule": "schedules", "denoiser": "denoisers", "sampler": "samplers"}
PLAIN = ("name", "description", "seed", "parameterization")
TOP = (*PLAIN, *SLOTS, *SECTIONS, "evaluate", "sweep")
MAX_PROBLEMS = 50  # of one kind; more are not readable
MAX_FEATURES = 16
DEFAULT_FEATURES = ["efficientnet_lite0"]


def build(source: Layered) -> tuple[Recipe | None, dict[str, Slot[Any]], list[Problem]]:
    """The recipe, or None if one of its tables is not valid; the slots that are valid by themselves; the problems.

    A recipe with problems, such as a missing name, serves further checks only.
    """
    builder = _Builder(source)
    recipe = builder.recipe()
    return recipe, builder.slots, builder.problems


def slot_of(kind: Kind, table: dict[str, Any], options: Mapping[str, str]) -> Slot[Any]:
    """A slot from a table that is in no file; `options` names the option that set each field. RecipeError if it is not valid."""
    builder = _Builder(Layered("", table, {(name,): (option, None) for name, option in options.items()}))
    slot = builder.component((), kind, table, kind.removesuffix("s"))
    if slot is None:
        raise RecipeError(builder.problems)
    return slot


class _Builder:
    def __init__(self, source: Layered) -> None:
        self.source, self.problems = source, list[Problem]()
        self.slots: dict[str, Slot[Any]] = {}

    def recipe(self) -> Recipe | None:
        table = self.source.table
        for name in islice((name for name in table if name not in TOP), MAX_PROBLEMS):
            self.add((name,), f"no such field of a recipe ({did_you_mean(name, TOP)}fields: {', '.join(TOP)})")
        for name, kind in SLOTS.items():
            slot = self.slot((name,), kind)
            if slot is not None:
                self.slots[name] = slot
        sections = {name: self.section((name,), model) for name, model in SECTIONS.items()}
        evaluate = self.evaluate()
        sweep = self.sweep() if "sweep" in table else None
        plain = {name: table[name] for name in PLAIN if name in table}
        fields = self.validated(Heading, plain, (), "a recipe")
        if fields is None:  # other problems are reported together with a missing name
            fields = self.unnamed(plain)
        parts = [*map(self.slots.get, SLOTS), *sections.values(), evaluate, fields, *([sweep] if "sweep" in table else [])]
        if any(part is None for part in parts) or fields is None or evaluate is None:
            return None
        try:
            return Recipe(**fields.model_dump(), **self.slots, **sections, evaluate=evaluate, sweep=sweep)
        except ValidationError as error:
            self.problems += [
                self.source.problem(tuple(map(str, detail["loc"])), messages.explain(detail, TOP, "a recipe"))
                for detail in error.errors()
            ]
            return None

    def unnamed(self, plain: dict[str, Any]) -> Heading | None:
        try:
            return Heading.model_validate({**plain, "name": "unnamed"})
        except ValidationError:
            return None

    def add(self, key: Key, message: str, shown: str | None = None) -> None:
        self.problems.append(self.source.problem(key, message, shown))

    def table(self, key: Key) -> dict[str, Any] | None:
        """The table at `key`; an empty one where it is absent, None with a problem if it is not a table."""
        value: Any = self.source.table
        for name in key:
            value = value.get(name, {}) if isinstance(value, dict) else {}
        if isinstance(value, dict):
            return value
        self.add(key, f"expected a table, got {messages.shown(value)}")
        return None

    def section(self, key: Key, model: type[M]) -> M | None:
        table = self.table(key)
        return None if table is None else self.validated(model, table, key, f"[{'.'.join(key)}]")

    def sweep(self) -> Sweep | None:
        sweep = self.section(("sweep",), Sweep)
        return sweep and sweep.model_copy(update={"space": {key: self.space(key, space) for key, space in sweep.space.items()}})

    def space(self, key: str, space: Space) -> Space:
        """Make paths in choices and conditions absolute, like the fields that they are compared with."""
        at: Key = ("sweep", "space", key)
        choices = space.choices and tuple(self.placed(key, choice, at) for choice in space.choices)
        when = space.when and {
            other: tuple(self.placed(other, choice, at) for choice in value)
            if isinstance(value, tuple)
            else self.placed(other, value, at)
            for other, value in space.when.items()
        }
        return space.model_copy(update={"choices": choices, "when": when})

    def placed(self, dotted: str, value: Any, at: Key) -> Any:
        """A value for the field `dotted` that is set at another key; a relative path is relative to the file of that key."""
        table, _, field = dotted.rpartition(".")
        slot = self.slots.get(table)
        return (
            value if slot is None else place_paths(type(slot.component), {field: value}, lambda _: self.source.folder(at))[field]
        )

    def evaluate(self) -> Evaluate | None:
        table = self.table(("evaluate",))
        if table is None:
            return None
        sampler = self.evaluation_sampler(table) if "sampler" in table else None
        features = self.features(table.get("features", DEFAULT_FEATURES))
        rest = {name: value for name, value in table.items() if name not in ("sampler", "features")}
        plain = self.validated(Evaluate, rest, ("evaluate",), "[evaluate]")
        if plain is None or features is None or ("sampler" in table and sampler is None):
            return None
        return plain.model_copy(update={"sampler": sampler, "features": features})

    def evaluation_sampler(self, table: dict[str, Any]) -> Slot[Any] | None:
        slot, base = self.slot(("evaluate", "sampler"), "samplers"), self.slots.get("sampler")
        if slot is None or base is None:
            return slot
        return slot.model_copy(update={name: getattr(base, name) for name in INHERITED if name not in table["sampler"]})

    def features(self, value: Any) -> tuple[Slot[Any], ...] | None:
        key: Key = ("evaluate", "features")
        if not isinstance(value, list):
            self.add(key, f"expected a list such as ['efficientnet_lite0'], got {messages.shown(value)}")
            return None
        if len(value) > MAX_FEATURES:
            self.add(key, f"must have at most {MAX_FEATURES} items, got {len(value)}")
            return None
        slots = [
            self.component(key, "features", {"use": item} if isinstance(item, str) else item, f"evaluate.features[{i}]")
            for i, item in enumerate(value)
        ]
        return None if any(slot is None for slot in slots) else tuple(slot for slot in slots if slot is not None)

    def slot(self, key: Key, kind: Kind) -> Slot[Any] | None:
        table = self.table(key)
        if table is None:
            return None
        if not table and key[0] not in self.source.table:
            self.add(key, f"missing: every recipe names one, for example [{'.'.join(key)}] use = '...'  ({_names(kind)})")
            return None
        return self.component(key, kind, table, ".".join(key))

    def component(self, key: Key, kind: Kind, table: Any, shown: str) -> Slot[Any] | None:
        use = table.get("use") if isinstance(table, dict) else None
        if not isinstance(use, str):
            message = (
                f"missing: it names the component  ({_names(kind)})"
                if isinstance(table, dict) and "use" not in table
                else f"expected a name in quotes, got {messages.shown(use or table)}"
            )
            self.add((*key, "use"), message, f"{shown}.use")
            return None
        try:
            cls: type[Component] = load(kind, use)
        except ComponentError as error:
            self.add((*key, "use"), str(error), f"{shown}.use")
            return None
        core = {name: value for name, value in table.items() if kind == "samplers" and name in CORE_KEYS}
        own = {name: value for name, value in table.items() if name != "use" and name not in core}
        extra = CORE_KEYS if kind == "samplers" else ()
        try:
            with plugin_call(kind, use, "making it from its table"):
                component = self.validated(cls, own, key, f"'{use}'", shown, extra)
        except BrokenComponent as error:
            self.add((*key, "use"), str(error), f"{shown}.use")
            return None
        settings = self.validated(SamplerSettings, core, key, f"'{use}'", shown) if kind == "samplers" else None
        if component is None or (kind == "samplers" and settings is None):
            return None
        if settings is not None:
            return SamplerSlot(use=use, component=component, **settings.model_dump())
        return Slot[Any](use=use, component=component)

    def validated(
        self, model: type[M], values: Any, key: Key, owner: str, shown: str | None = None, extra: Iterable[str] = ()
    ) -> M | None:
        values = place_paths(model, values, lambda inner: self.source.folder((*key, *inner)))
        try:
            # As JSON, strictly: a list may become a tuple, but "3" does not become 3.
            text = json.dumps(values, default=str)
        except RecursionError:
            self.add(key, "nested too deeply", shown)
            return None
        try:
            return model.model_validate_json(text, strict=True)
        except ValidationError as error:
            for detail in error.errors(include_url=False)[:MAX_PROBLEMS]:
                # The message of a validator is about the whole table.
                names = [name for name in detail["loc"] if isinstance(name, str)]
                place = (shown or ".".join(key)) + "".join(
                    f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"]
                )
                fields = [*model.model_fields, *extra]
                if detail["type"] == "json_invalid":
                    deep = "recursion" in detail["msg"]
                    self.add(key, "nested too deeply" if deep else "contains characters that are not text", shown)
                    continue
                self.add((*key, *names), messages.explain(detail, fields, owner), place.lstrip("."))
            return None


def _names(kind: Kind) -> str:
    return f"installed: {', '.join(sorted({entry.name for entry in installed(kind)})) or 'none'}"
