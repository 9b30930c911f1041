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
    sweeps = wb.sweep.list_sweeps(home)
    if not sweeps:
        typer.echo(f"no sweeps in {home} yet: wb sweep --trials 50 (if they are elsewhere, set WB_HOME)")
    for folder in sweeps:
        info = folder.info()
        status = f"in {info['storage']}"
        if info["storage"] is None:
            try:
                ledger = wb.sweep.Ledger(folder.database, folder.name, 1.0)
                done = sum(row.outcome is not None for row in ledger.rows())
                status = f"{done} of {ledger.read_sweep().trials} trials"
            except WorkbenchError as error:
                status = str(error)
        typer.echo(f"{typer.style(folder.name, bold=True)}  {local_time(info.get('created'))}  {status}  {info['source']}")
