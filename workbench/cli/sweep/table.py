"""Trials and the answer, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from workbench.cli.display import duration, number

if TYPE_CHECKING:
    from workbench.sweep.ledger import Row
    from workbench.sweep.summary import Summary

__all__ = ["answer_lines", "trials_table"]

COLOURS = {"complete": "", "pruned": "dim", "infeasible": "dim", "failed": "red", "running": "cyan", "waiting": "yellow"}


def trials_table(found: Summary, most: int | None = None) -> Table:
    """All trials in the order of their numbers, or the best ones of them."""
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for column in ("trial", "state", *(each.metric for each in found.aims)):
        table.add_column(column, justify="right" if column != "state" else "left")
    keys = list(dict.fromkeys(key for params in found.params.values() for key in params))
    for key in [*keys, "time"]:
        table.add_column(key, overflow="fold")
    rows = {row.number: row for row in found.rows}
    shown = list(rows) if most is None or len(rows) <= most else list(found.ranked[:most])
    for each in shown:
        table.add_row(*_cells(rows[each], found, keys), style=_style(rows[each], found))
    return table


def _cells(row: Row, found: Summary, keys: list[str]) -> list[str]:
    outcome = row.outcome
    values = [number(value) for value in outcome.values] if outcome and outcome.values else ["" for _ in found.aims]
    params = found.params[row.number]
    told = [_value(params[key]) if key in params else "" for key in keys]
    state = outcome.ending if outcome else row.state
    return [str(row.number), state, *values, *told, duration(outcome.seconds) if outcome and outcome.seconds else ""]


def _style(row: Row, found: Summary) -> str:
    if row.number == found.best or (len(found.aims) > 1 and row.number in found.ranked):
        return "bold green"
    return COLOURS[row.outcome.ending if row.outcome else row.state]


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else escape(str(value))


def answer_lines(found: Summary) -> list[str]:
    """What the sweep says about the best trial, with its interval."""
    if len(found.aims) > 1:
        return [f"Pareto front: trials {', '.join(map(str, found.ranked))}"] if found.ranked else []
    if found.best is None:
        return ["no trial is complete"]
    if found.confirmed is None:
        value = found.outcomes[found.best].values[0]
        return [
            f"best: trial {found.best}, {found.aims[0].metric} {number(value)}, as it was measured once: being the best of many, it was also lucky"
        ]
    return _confirmed(found.confirmed)


def _confirmed(told: Mapping[str, Any]) -> list[str]:
    trials = {each["number"]: each for each in told["trials"]}
    best = trials[told["best"]]
    lines = [
        f"best: trial {told['best']}, {told['metric']} [bold]{_interval(best, 'mean', 'half_width_95')}[/], "
        f"mean and 95 % interval of {told['draws']} draws of {told['samples']} new images"
    ]
    for each in told["trials"][1:]:
        difference = _interval(each, "behind", "behind_half_width_95")
        name = "trial 0, the recipe as it is," if each["number"] == 0 else f"trial {each['number']}"
        verdict = "not distinguishable from the best" if each["number"] in told["not_distinguishable"] else "worse"
        lines.append(f"  {name} {number(each['mean'])}, {difference} behind: {verdict}")
    lines.append(
        "[dim]  intervals are of drawing new images; what training again with another seed would change is not in them[/]"
    )
    return lines


def _interval(each: Mapping[str, Any], mean: str, half: str) -> str:
    return f"{each[mean]:.4g} ± {each[half]:.2g}"
