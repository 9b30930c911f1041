"""wb sweep list"""

from __future__ import annotations

import typer

import workbench as wb
from workbench.errors import WorkbenchError
from workbench.home import wb_home
from workbench.instants import local_time


def list_sweeps() -> None:
    """List the sweeps of this WB_HOME, the oldest first."""
    home = wb_home()
    found = wb.sweep.list_sweeps(home)
    if not found:
        typer.echo(f"no sweeps in {home} yet: wb sweep --trials 50 (where they are elsewhere, set WB_HOME)")
    for folder in found:
        info = folder.info()
        told = f"in {info['storage']}"
        if info["storage"] is None:
            try:
                ledger = wb.sweep.Ledger(folder.database, folder.name, 1.0)
                done = sum(row.outcome is not None for row in ledger.rows())
                told = f"{done} of {ledger.begun().trials} trials"
            except WorkbenchError as error:
                told = str(error)
        typer.echo(f"{typer.style(folder.name, bold=True)}  {local_time(info.get('created'))}  {told}  {info['source']}")
