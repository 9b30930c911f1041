"""Trials and the answer, for people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

import workbench as wb
from workbench.cli.display import duration, number

WIDEST = 10_000
LONG = 8  # characters of a heading that is worth breaking
COLOURS = {"complete": "", "pruned": "dim", "infeasible": "dim", "failed": "red", "running": "cyan", "waiting": "yellow"}


def trials_table(found: wb.sweep.Summary, console: Console, most: int | None = None) -> Table:
    """All trials in the order of their numbers, or the best ones of them, in a form for which the console is wide enough."""
    rows = {row.number: row for row in found.rows}
    shown = [rows[each] for each in (rows if most is None or len(rows) <= most else found.ranked[:most])]
    keys = list(dict.fromkeys(key for params in found.params.values() for key in params))
    for columns in ({key: key for key in keys}, {key: _broken(key) for key in keys}):
        table = _table(found, shown, columns)
        if console.measure(table, options=console.options.update(max_width=WIDEST)).maximum <= console.width:
            return table
    return _table(found, shown, None)


def _table(found: wb.sweep.Summary, shown: list[wb.sweep.Row], columns: Mapping[str, str] | None) -> Table:
    """A column for each of these keys with its heading; without any, one column in which the values stand as after --set."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("trial", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    roomy = columns is not None and all(key == heading for key, heading in columns.items())
    for aim in found.aims:
        table.add_column(aim.metric if roomy else _broken(aim.metric), justify="right", no_wrap=True)
    for heading in ["chosen"] if columns is None else columns.values():
        table.add_column(heading, overflow="fold")
    table.add_column("time", no_wrap=True)
    for row in shown:
        table.add_row(*_cells(row, found, columns), style=_style(row, found))
    return table


def _broken(name: str) -> str:
    """A long name on several lines, as a heading."""
    return re.sub(r"(?<=[._])(?=.)", "\n", name) if len(name) > LONG else name


def _cells(row: wb.sweep.Row, found: wb.sweep.Summary, columns: Mapping[str, str] | None) -> list[str]:
    outcome, params = row.outcome, found.params[row.number]
    values = [number(value) for value in outcome.values] if outcome and outcome.values else ["" for _ in found.aims]
    if columns is None:
        told = [" ".join(f"{key}={_value(value)}" for key, value in params.items())]
    else:
        told = [_value(params[key]) if key in params else "" for key in columns]
    state = outcome.ending if outcome else row.state
    return [str(row.number), state, *values, *told, duration(outcome.seconds) if outcome and outcome.seconds else ""]


def _style(row: wb.sweep.Row, found: wb.sweep.Summary) -> str:
    if row.number == found.best or (len(found.aims) > 1 and row.number in found.ranked):
        return "bold green"
    return COLOURS[row.outcome.ending if row.outcome else row.state]


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else escape(str(value))


def answer_lines(found: wb.sweep.Summary) -> list[str]:
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
