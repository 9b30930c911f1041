"""What came of a sweep: its trials, the best of them, and the recipe that this one ran."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.recipe import Recipe, dumps
from workbench.sweep.answers import read_answer
from workbench.sweep.folder import SweepFolder
from workbench.sweep.ledger import Row, TrialOutcome
from workbench.sweep.objectives import SearchTarget
from workbench.sweep.space import SearchAxis
from workbench.sweep.trial_recipe import recipe_of, run_id


@dataclass(frozen=True)
class Summary:
    """A sweep as its ledger has it; `ranked` are the complete trials, the best first (of several metrics: the Pareto front)."""

    name: str
    aims: tuple[SearchTarget, ...]
    rows: tuple[Row, ...]
    ranked: tuple[int, ...]
    params: Mapping[int, Mapping[str, Any]]
    confirmed: Mapping[str, Any] | None

    @property
    def best(self) -> int | None:
        """The trial to go on with: the best of those that were measured again, else the best one; None where none is complete."""
        if self.confirmed is not None:
            return int(self.confirmed["best"])
        return self.ranked[0] if self.ranked else None

    @property
    def outcomes(self) -> dict[int, TrialOutcome]:
        """Of the trials that have ended."""
        return {row.number: row.outcome for row in self.rows if row.outcome is not None}

    def document(self) -> dict[str, Any]:
        """As JSON; with several metrics, values are lists and `best` is the Pareto front."""
        several = len(self.aims) > 1
        trials = []
        for row in self.rows:
            values = list(row.outcome.values) if row.outcome else []
            value: Any = (values or None) if several else (values[0] if values else None)
            state = row.outcome.ending if row.outcome else row.state
            run = run_id(self.name, row.number)
            trials.append(
                {"number": row.number, "state": state, "value": value, "params": dict(self.params[row.number]), "run": run}
            )
        best = list(self.ranked) if several else self.best
        told = {"confirmed": self.confirmed} if self.confirmed is not None else {}
        return {"name": self.name, "metrics": [each.metric for each in self.aims], "trials": trials, "best": best, **told}


def summarize_sweep(
    folder: SweepFolder, recipe: Recipe, aims: Sequence[SearchTarget], axes: Sequence[SearchAxis], rows: Sequence[Row]
) -> Summary:
    """Of the trials that there are."""
    params = {row.number: _params(row, recipe, axes) for row in rows}
    return Summary(folder.name, tuple(aims), tuple(rows), tuple(_ranked(aims, rows)), params, read_answer(folder))


def best_recipe(folder: SweepFolder, row: Row) -> str:
    """The recipe of a trial as TOML, to be run by `wb run`."""
    recipe = recipe_of(folder, row.overrides)
    return dumps(recipe.model_copy(update={"sweep": None, "name": f"{folder.name}_best"[:80]}))


def _params(row: Row, recipe: Recipe, axes: Sequence[SearchAxis]) -> dict[str, Any]:
    if row.number > 0:
        return {key: json.loads(text) for key, _, text in (override.partition("=") for override in row.overrides)}
    flat = recipe.flat()
    return {axis.key: flat[axis.key] for axis in axes if axis.active(flat) and axis.key in flat}


def _ranked(aims: Sequence[SearchTarget], rows: Sequence[Row]) -> list[int]:
    complete = {row.number: row.outcome.values for row in rows if row.outcome is not None and row.outcome.ending == "complete"}
    costs = {
        number: tuple(value if aim.direction == "minimize" else -value for aim, value in zip(aims, values, strict=True))
        for number, values in complete.items()
    }
    if len(aims) == 1:
        return sorted(costs, key=lambda number: costs[number])
    return [
        number
        for number, cost in costs.items()
        if not any(all(o <= c for o, c in zip(other, cost, strict=True)) and other != cost for other in costs.values())
    ]
