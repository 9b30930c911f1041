"""wb sweep show"""

from __future__ import annotations

import json
from typing import Annotated

import typer

import workbench as wb
from workbench.cli.display import wide_console
from workbench.cli.sweep.options import Storage, storage_of
from workbench.cli.sweep.table import print_result, trials_table
from workbench.errors import SweepError
from workbench.home import wb_home


def _complete(incomplete: str) -> list[str]:
    names = sorted(path.parent.name for path in (wb_home() / "sweeps").glob("*/sweep.json"))
    return [name for name in names if name.startswith(incomplete)]


SweepName = Annotated[str, typer.Argument(metavar="NAME", help="Name of a sweep (wb sweep list).", autocompletion=_complete)]


def show(
    name: SweepName,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    storage: Storage = None,
) -> None:
    """Show the trials of a sweep, also while it runs, and the best of them.

    [bold]wb sweep show sweep[/]
    [bold]wb sweep show sweep --json | jq .best[/]
    """
    summary = load_summary(name, storage)
    if as_json:
        typer.echo(json.dumps(summary.document(), indent=2, allow_nan=False))
        return
    console = wide_console()
    console.print(trials_table(summary, console))
    print_result(summary, console)


def load_summary(name: str, storage: str | None) -> wb.sweep.Summary:
    """The results of a sweep so far; SweepError if there is no sweep of this name."""
    home = wb_home()
    folder = wb.sweep.SweepFolder.of(home, name)
    if not folder.exists():
        names = ", ".join(sweep.name for sweep in wb.sweep.list_sweeps(home))
        names = names or "none yet; start one: wb sweep --trials 50 (if they are elsewhere, set WB_HOME)"
        raise SweepError(f"no sweep '{name}' in {home / 'sweeps'}; existing: {names}")
    url = storage_of(storage)
    if url is None and folder.info()["storage"] is not None:
        raise SweepError(f"the trials of {name} are in {folder.info()['storage']}: add --storage URL")
    recipe = folder.loaded()
    rows = wb.sweep.Ledger(url or folder.database, name, 1.0).rows()
    return wb.sweep.summarize_sweep(folder, recipe, wb.sweep.search_targets(recipe), wb.sweep.axes_of(recipe), rows)
