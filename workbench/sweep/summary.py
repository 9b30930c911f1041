"""The results of a sweep: its trials, the best of them, and the recipe of the best one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.recipe import Recipe, dumps
from workbench.sweep.confirmation import read_confirmation
from workbench.sweep.folder import SweepFolder
from workbench.sweep.ledger import Row, TrialOutcome
from workbench.sweep.objectives import SearchTarget
from workbench.sweep.space import SearchAxis
from workbench.sweep.trial_recipe import recipe_of, run_id


@dataclass(frozen=True)
class Summary:
    """The trials of a sweep; `ranked` are the complete ones, the best first (of several metrics: the Pareto front)."""

    name: str
    targets: tuple[SearchTarget, ...]
    rows: tuple[Row, ...]
    ranked: tuple[int, ...]
    params: Mapping[int, Mapping[str, Any]]
    confirmed: Mapping[str, Any] | None

    @property
    def best(self) -> int | None:
        """The best of the trials that were measured again, else the best one; None if none is complete."""
        if self.confirmed is not None:
            return int(self.confirmed["best"])
        return self.ranked[0] if self.ranked else None

    @property
    def outcomes(self) -> dict[int, TrialOutcome]:
        """The outcomes of the trials that have ended."""
        return {row.number: row.outcome for row in self.rows if row.outcome is not None}

    def document(self) -> dict[str, Any]:
        """The results as JSON; with several metrics, values are lists and `best` is the Pareto front."""
        several = len(self.targets) > 1
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
        confirmed = {"confirmed": self.confirmed} if self.confirmed is not None else {}
        metrics = [target.metric for target in self.targets]
        return {"name": self.name, "metrics": metrics, "trials": trials, "best": best, **confirmed}


def summarize_sweep(
    folder: SweepFolder, recipe: Recipe, targets: Sequence[SearchTarget], axes: Sequence[SearchAxis], rows: Sequence[Row]
) -> Summary:
    """The results of the trials in `rows`."""
    params = {row.number: _params(row, recipe, axes) for row in rows}
    return Summary(folder.name, tuple(targets), tuple(rows), tuple(_ranked(targets, rows)), params, read_confirmation(folder))


def describe_result(summary: Summary) -> list[str]:
    """The best trial with its interval, and those it was compared with, as lines of text."""
    if len(summary.targets) > 1:
        return [f"Pareto front: trials {', '.join(map(str, summary.ranked))}"] if summary.ranked else []
    if summary.best is None:
        return ["no trial is complete"]
    if summary.confirmed is None:
        value = f"{summary.targets[0].metric} {summary.outcomes[summary.best].values[0]:.4g}"
        return [f"best: trial {summary.best}, {value} (measured once: the best of many measurements is biased)"]
    return _describe_confirmed(summary.confirmed)


def _describe_confirmed(confirmed: Mapping[str, Any]) -> list[str]:
    best = next(trial for trial in confirmed["trials"] if trial["number"] == confirmed["best"])
    mean = _interval(best, "mean", "half_width_95")
    lines = [
        f"best: trial {best['number']}, {confirmed['metric']} {mean}, mean and 95 % interval of {confirmed['draws']} draws "
        f"of {confirmed['samples']} new images"
    ]
    for trial in confirmed["trials"][1:]:
        name = "trial 0, the unchanged recipe," if trial["number"] == 0 else f"trial {trial['number']}"
        difference = _interval(trial, "behind", "behind_half_width_95")
        same = trial["number"] in confirmed["not_distinguishable"]
        verdict = "not distinguishable from the best" if same else "worse"
        lines.append(f"  {name} {trial['mean']:.4g}, {difference} behind: {verdict}")
    return [*lines, "  the intervals cover the drawing of new images, not training again with another seed"]


def _interval(trial: Mapping[str, Any], mean: str, half: str) -> str:
    return f"{trial[mean]:.4g} ± {trial[half]:.2g}"


def best_recipe(folder: SweepFolder, row: Row) -> str:
    """The recipe of a trial as TOML, for `wb run`."""
    recipe = recipe_of(folder, row.overrides)
    return dumps(recipe.model_copy(update={"sweep": None, "name": f"{folder.name}_best"[:80]}))


def _params(row: Row, recipe: Recipe, axes: Sequence[SearchAxis]) -> dict[str, Any]:
    if row.number > 0:
        return {key: json.loads(text) for key, _, text in (override.partition("=") for override in row.overrides)}
    flat = recipe.flat()
    return {axis.key: flat[axis.key] for axis in axes if axis.is_active(flat) and axis.key in flat}


def _ranked(targets: Sequence[SearchTarget], rows: Sequence[Row]) -> list[int]:
    complete = {row.number: row.outcome.values for row in rows if row.outcome is not None and row.outcome.ending == "complete"}
    costs = {
        number: tuple(value if target.direction == "minimize" else -value for target, value in zip(targets, values, strict=True))
        for number, values in complete.items()
    }
    if len(targets) == 1:
        return sorted(costs, key=lambda number: costs[number])
    return [number for number, cost in costs.items() if not any(_dominates(other, cost) for other in costs.values())]


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """True if `one` is nowhere worse than `other`, and somewhere better (Pareto)."""
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
