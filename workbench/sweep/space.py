"""The axes of a search: keys of the recipe, the values they may take, and the conditions under which they have an effect."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.recipe import Recipe, Space

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

EVALUATION = ("sampler.", "evaluate.")


@dataclass(frozen=True)
class SearchAxis:
    """One key of the recipe and its space."""

    key: str
    space: Space

    def is_active(self, values: Mapping[str, Any]) -> bool:
        """True if the key has an effect in a recipe with these values."""
        return all(
            any(_same(values.get(key), value) for value in _as_list(wanted)) for key, wanted in (self.space.when or {}).items()
        )

    def suggest(self, trial: BaseTrial) -> Any:
        """The trial's value for the key, chosen now if it has none. Lists are JSON for Optuna, whose storages do not hold lists."""
        space = self.space
        if space.choices is not None:
            return self.value(trial.suggest_categorical(self.key, [_stored(choice) for choice in space.choices]))
        low, high = _number(space.low), _number(space.high)
        if space.whole:
            return trial.suggest_int(self.key, int(low), int(high), step=int(space.step or 1), log=space.log)
        return trial.suggest_float(self.key, low, high, step=space.step, log=space.log)

    def value(self, stored: Any) -> Any:
        """The recipe's value for one of Optuna's."""
        return next((choice for choice in self.space.choices or () if _same(_stored(choice), stored)), stored)

    def stored(self, value: Any) -> Any:
        """Optuna's value for one of the recipe's."""
        return _stored(value)

    def ends(self) -> list[Any]:
        """The values that are checked before anything runs: every choice, or both ends."""
        return list(self.space.choices) if self.space.choices is not None else [self.space.low, self.space.high]

    def points(self) -> int | None:
        """The number of values; None for a range without steps."""
        space = self.space
        if space.choices is not None:
            return len(space.choices)
        step = space.step or (1 if space.whole else None)
        return None if step is None else int((_number(space.high) - _number(space.low)) / step) + 1

    def contains(self, value: Any) -> bool:
        """True if the search could choose this value."""
        space = self.space
        if space.choices is not None:
            return any(_same(choice, value) for choice in space.choices)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        low, high = _number(space.low), _number(space.high)
        step = space.step or (1 if space.whole else None)
        on_grid = step is None or math.isclose((value - low) / step, round((value - low) / step), abs_tol=1e-9)
        return low <= value <= high and on_grid


def axes_of(recipe: Recipe) -> tuple[SearchAxis, ...]:
    """The axes of a recipe's sweep, in the order of their dependencies; a circle of conditions keeps its order."""
    waiting = [SearchAxis(key, space) for key, space in (recipe.sweep.space if recipe.sweep else {}).items()]
    ordered: list[SearchAxis] = []
    while waiting:
        open_keys = {axis.key for axis in waiting}
        free = [axis for axis in waiting if not open_keys & set(axis.space.when or {})] or waiting
        ordered += free
        waiting = [axis for axis in waiting if axis not in free]
    return tuple(ordered)


def suggest_values(trial: BaseTrial, axes: Sequence[SearchAxis], base: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a trial by key, for the axes that are active in it; `base` is the flat recipe."""
    values: dict[str, Any] = {}
    for axis in axes:
        if axis.is_active({**base, **values}):
            values[axis.key] = axis.suggest(trial)
    return values


def overrides(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The values in the form of `--set`."""
    return tuple(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in values.items())


def is_evaluation_only(axes: Sequence[SearchAxis]) -> bool:
    """True if no axis changes the training, so that one trained network serves all trials."""
    return bool(axes) and all(axis.key.startswith(EVALUATION) for axis in axes)


def _stored(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | tuple) else value


def _as_list(wanted: Any) -> Sequence[Any]:
    return wanted if isinstance(wanted, list | tuple) else (wanted,)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return list(one) == list(other)
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _number(value: float | None) -> float:
    return math.nan if value is None else value
