"""wb sweep best"""

from __future__ import annotations

from typing import Annotated

import typer

import workbench as wb
from workbench.cli.sweep.options import Storage
from workbench.cli.sweep.show import SweepName, load_summary
from workbench.errors import SweepError
from workbench.home import wb_home


def best(
    name: SweepName,
    trial: Annotated[int | None, typer.Option(min=0, help="Print this trial instead of the best.", show_default=False)] = None,
    storage: Storage = None,
) -> None:
    """Print the recipe of the best trial, ready for `wb run`.

    [bold]wb sweep best sweep > best.toml && wb run best.toml[/]
    """
    summary = load_summary(name, storage)
    if trial is None and len(summary.targets) > 1 and summary.ranked:
        raise SweepError(
            f"{name} has several metrics and no single best: choose with --trial; on the Pareto front: {', '.join(map(str, summary.ranked))}"
        )
    chosen = summary.best if trial is None else trial
    row = next((row for row in summary.rows if row.number == chosen), None)
    if row is None:
        raise SweepError(
            f"{name}: no trial is complete yet"
            if trial is None
            else f"{name} has no trial {trial}, only {len(summary.rows)} trials"
        )
    typer.echo(wb.sweep.best_recipe(wb.sweep.SweepFolder.of(wb_home(), name), row), nl=False)
