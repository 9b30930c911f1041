"""wb sweep show"""

from __future__ import annotations

import json
from typing import Annotated

import typer

import workbench as wb
from workbench.cli.display import wide_console
from workbench.cli.sweep.run import Storage, storage_of
from workbench.cli.sweep.table import answer_lines, trials_table
from workbench.errors import SweepError
from workbench.home import wb_home


def _complete(incomplete: str) -> list[str]:
    names = sorted(path.parent.name for path in (wb_home() / "sweeps").glob("*/sweep.json"))
    return [name for name in names if name.startswith(incomplete)]


SweepName = Annotated[str, typer.Argument(metavar="NAME", help="A sweep: wb sweep list.", autocompletion=_complete)]


def show(
    name: SweepName,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    storage: Storage = None,
) -> None:
    """Show the trials of a sweep, also while it runs, and the best of them.

    [bold]wb sweep show sweep[/]
    [bold]wb sweep show sweep --json | jq .best[/]
    """
    found = found_of(name, storage)
    if as_json:
        typer.echo(json.dumps(found.document(), indent=2, allow_nan=False))
        return
    console = wide_console()
    console.print(trials_table(found, console))
    for line in answer_lines(found):
        console.print(line, soft_wrap=not console.is_terminal)


def found_of(name: str, storage: str | None) -> wb.sweep.Summary:
    """What came of a sweep so far; SweepError where there is none of that name."""
    home = wb_home()
    folder = wb.sweep.SweepFolder.of(home, name)
    if not folder.exists():
        known = (
            ", ".join(each.name for each in wb.sweep.list_sweeps(home))
            or "none yet: wb sweep --trials 50 (where they are elsewhere, set WB_HOME)"
        )
        raise SweepError(f"no sweep '{name}' in {home / 'sweeps'}; there: {known}")
    url = storage_of(storage)
    if url is None and folder.info()["storage"] is not None:
        raise SweepError(f"the trials of {name} are in {folder.info()['storage']}: say --storage URL")
    recipe = folder.loaded()
    rows = wb.sweep.Ledger(url or folder.database, name, 1.0).rows()
    return wb.sweep.summarize_sweep(folder, recipe, wb.sweep.search_targets(recipe), wb.sweep.axes_of(recipe), rows)
