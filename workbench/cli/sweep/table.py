"""The trials and the result of a sweep as text."""

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
LONG = 8  # characters of a heading from which it is broken into lines
COLOURS = {"complete": "", "pruned": "dim", "infeasible": "dim", "failed": "red", "running": "cyan", "waiting": "yellow"}


def trials_table(summary: wb.sweep.Summary, console: Console, most: int | None = None) -> Table:
    """All trials in the order of their numbers, or the best `most` of them, in a layout that fits the console."""
    rows = {row.number: row for row in summary.rows}
    shown = [rows[index] for index in (rows if most is None or len(rows) <= most else summary.ranked[:most])]
    keys = list(dict.fromkeys(key for params in summary.params.values() for key in params))
    for columns in ({key: key for key in keys}, {key: _break_name(key) for key in keys}):
        table = _table(summary, shown, columns)
        if console.measure(table, options=console.options.update(max_width=WIDEST)).maximum <= console.width:
            return table
    return _table(summary, shown, None)


def _table(summary: wb.sweep.Summary, shown: list[wb.sweep.Row], columns: Mapping[str, str] | None) -> Table:
    """A column for each key in `columns`, with its heading; or, for None, one column with all values in the form of --set."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("trial", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    is_wide = columns is not None and all(key == heading for key, heading in columns.items())
    for target in summary.targets:
        table.add_column(target.metric if is_wide else _break_name(target.metric), justify="right", no_wrap=True)
    for heading in ["chosen"] if columns is None else columns.values():
        table.add_column(heading, overflow="fold")
    table.add_column("time", no_wrap=True)
    for row in shown:
        table.add_row(*_cells(row, summary, columns), style=_style(row, summary))
    return table


def _break_name(name: str) -> str:
    """A long name, broken into several lines for a heading."""
    return re.sub(r"(?<=[._])(?=.)", "\n", name) if len(name) > LONG else name


def _cells(row: wb.sweep.Row, summary: wb.sweep.Summary, columns: Mapping[str, str] | None) -> list[str]:
    outcome, params = row.outcome, summary.params[row.number]
    values = [number(value) for value in outcome.values] if outcome and outcome.values else ["" for _ in summary.targets]
    if columns is None:
        params_cells = [" ".join(f"{key}={_value(value)}" for key, value in params.items())]
    else:
        params_cells = [_value(params[key]) if key in params else "" for key in columns]
    state = outcome.ending if outcome else row.state
    time = duration(outcome.seconds) if outcome and outcome.seconds else ""
    return [str(row.number), state, *values, *params_cells, time]


def _style(row: wb.sweep.Row, summary: wb.sweep.Summary) -> str:
    if row.number == summary.best or (len(summary.targets) > 1 and row.number in summary.ranked):
        return "bold green"
    return COLOURS[row.outcome.ending if row.outcome else row.state]


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else escape(str(value))


def print_result(summary: wb.sweep.Summary, console: Console) -> None:
    """Print the best trial and those it was compared with."""
    for line in wb.sweep.describe_result(summary):
        console.print(escape(line), soft_wrap=not console.is_terminal)
