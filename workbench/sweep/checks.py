"""Checks of a sweep before its first trial: every value that it could choose must give a valid recipe."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from workbench.errors import CombinationError, Problem, RecipeError
from workbench.recipe import Recipe, load, read_layers
from workbench.sweep.objectives import search_targets
from workbench.sweep.space import SearchAxis, axes_of, overrides

MOST_COMBINATIONS = 400
MOST_PAIRS = 2000
MOST_POINTS = 100_000
LEAST_RANGES = 2  # a covariance needs two numbers
SHOWN = 5


def check_sweep(path: Path, base: Recipe, settings: Sequence[str] = ()) -> None:
    """Raise a located RecipeError if an end, a choice or a combination of choices gives no valid recipe, or the recipe lies outside the space.

    `base` is the recipe in the file `path` with the overrides `settings`, given by `--set`.
    """
    source = read_layers(path, settings)
    axes = axes_of(base)
    problems: list[Problem] = []

    def add(key: str | None, message: str) -> None:
        problems.append(source.problem(("sweep",) if key is None else ("sweep", "space", key), message))

    try:
        search_targets(base)
    except CombinationError as error:
        problems.append(source.problem(tuple(error.key.split(".")), str(error)))
    if base.sweep is not None and not axes:
        add(None, "nothing to vary: [sweep.space] is empty")
    for key, message in [*_conditions(axes, base), *_without_effect(axes, base), *_unfit_for_sampler(axes, base)]:
        add(key, message)
    if not problems:
        for key, message in itertools.islice(_trials(path, base, settings, axes), SHOWN):
            add(key, message)
    if not problems:
        for axis in axes:
            value = base.flat().get(axis.key)
            if axis.is_active(base.flat()) and not axis.contains(value):
                own = "not set in the recipe" if value is None else f"{value!r} in the recipe"
                remedy = "trial 0 is the unchanged recipe: extend the space or change the recipe"
                add(axis.key, f"{own}, which the space does not contain; {remedy}")
    if problems:
        raise RecipeError(problems)


def _conditions(axes: Sequence[SearchAxis], base: Recipe) -> Iterator[tuple[str, str]]:
    keys = {*base.flat(), *(axis.key for axis in axes)}
    for position, axis in enumerate(axes):
        for key, wanted in (axis.space.when or {}).items():
            other = next((axis for axis in axes if axis.key == key), None)
            if key not in keys:
                yield axis.key, f"when: neither the recipe nor the space has a key '{key}'"
            elif other is not None and axes.index(other) >= position:
                yield axis.key, f"when: '{key}' depends on this key in turn (circular condition)"
            elif other is not None and other.space.choices is not None:
                values = wanted if isinstance(wanted, tuple) else (wanted,)
                for value in values:
                    if not other.contains(value):
                        yield (
                            axis.key,
                            f"when: '{key}' is never {value!r}; its choices are {', '.join(map(repr, other.space.choices))}",
                        )


def _without_effect(axes: Sequence[SearchAxis], base: Recipe) -> Iterator[tuple[str, str]]:
    if base.evaluate.sampler is None:
        return
    for axis in axes:
        if axis.key.startswith("sampler."):
            yield (
                axis.key,
                f"does not change any metric: evaluations draw with [evaluate.sampler]. Vary 'evaluate.{axis.key}', or remove that table",
            )


def _unfit_for_sampler(axes: Sequence[SearchAxis], base: Recipe) -> Iterator[tuple[str, str]]:
    sweep = base.sweep
    if sweep is None:
        return
    if sweep.sampler == "cmaes" and find_spec("cmaes") is None and axes:
        yield axes[0].key, "sampler = 'cmaes' needs a package: pip install cmaes"
    if sweep.sampler == "cmaes" and axes and sum(axis.space.choices is None for axis in axes) < LEAST_RANGES:
        yield (
            axes[0].key,
            f"sampler = 'cmaes' needs at least {LEAST_RANGES} ranges, and chooses choices at random; use 'tpe' or 'gp'",
        )
    if sweep.sampler == "grid":
        yield from _grid(axes)
    for axis in axes:
        if sweep.sampler == "grid" and axis.space.choices is None and axis.space.step is None and not axis.space.whole:
            yield axis.key, "sampler = 'grid' needs a step, or choices"
        if sweep.sampler in ("grid", "cmaes", "gp") and axis.space.when:
            yield axis.key, f"sampler = '{sweep.sampler}' does not support conditions (when); use 'tpe', 'random' or 'qmc'"


def _grid(axes: Sequence[SearchAxis]) -> Iterator[tuple[str, str]]:
    """A grid is built as a whole before its first point is tried."""
    count = 1
    for axis in axes:
        count *= axis.points() or 1
        if count > MOST_POINTS:
            yield axis.key, f"sampler = 'grid' has more than {MOST_POINTS:,} points: use larger steps or another sampler"
            return


def _trials(path: Path, base: Recipe, settings: Sequence[str], axes: Sequence[SearchAxis]) -> Iterator[tuple[str, str]]:
    """The keys and problems of each end and choice by itself, then of choices together."""
    flat = base.flat()
    has_problem = False
    for axis in axes:
        context = _context(axis, axes)
        for value in axis.ends():
            for problem in _problems(path, settings, {**context, axis.key: value}):
                has_problem = True
                yield axis.key, f"with {value!r}: {problem}"
    if has_problem:
        return
    for values in itertools.islice(_combinations(axes, flat), MOST_PAIRS):
        for problem in _problems(path, settings, values):
            yield next(iter(values)), f"with {', '.join(f'{key} = {value!r}' for key, value in values.items())}: {problem}"


def _context(axis: SearchAxis, axes: Sequence[SearchAxis]) -> dict[str, Any]:
    """Values with which an axis has an effect."""
    context: dict[str, Any] = {}
    for key, wanted in (axis.space.when or {}).items():
        other = next((axis for axis in axes if axis.key == key), None)
        if other is not None:
            context |= _context(other, axes)
        context[key] = wanted[0] if isinstance(wanted, tuple) else wanted
    return context


def _combinations(axes: Sequence[SearchAxis], flat: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Combinations of choices: all of them, or two at a time if there are too many."""
    chosen = [axis for axis in axes if axis.space.choices is not None]
    count = 1
    for axis in chosen:
        count *= len(axis.ends())
    groups = [chosen] if count <= MOST_COMBINATIONS else [list(pair) for pair in itertools.combinations(chosen, 2)]
    seen: list[dict[str, Any]] = []
    for group in groups:
        for choices in itertools.product(*(axis.ends() for axis in group)):
            values: dict[str, Any] = {}
            for axis, value in zip(group, choices, strict=True):
                if axis.is_active({**flat, **values}):
                    values[axis.key] = value
            if len(values) > 1 and values not in seen:
                seen.append(values)
                yield values


def _problems(path: Path, settings: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    try:
        load(path, [*settings, *overrides(values)])
    except RecipeError as error:
        return [f"{problem.key}: {problem.message}" for problem in error.problems[:1]]
    return []
