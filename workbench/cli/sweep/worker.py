"""wb sweep-worker"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

import workbench as wb
from workbench.cli.arguments import Device
from workbench.cli.sweep.options import LeaseSeconds, Minutes, Storage, Workers, storage_of
from workbench.cli.sweep.running import run_here
from workbench.errors import SweepError
from workbench.home import wb_home
from workbench.progress import Stop


def sweep_worker(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the sweep, as given to `wb sweep` on the other machine.")],
    storage: Storage = None,
    workers: Workers = 1,
    minutes: Minutes = None,
    device: Device = "auto",
    lease_seconds: LeaseSeconds = None,
) -> None:
    """Run trials of a sweep that another machine started; both use the same PostgreSQL database.

    If a machine becomes unreachable, the others take over its trials after a minute; nothing is done twice. Results are recorded in
    the store of the sweep. Plugins that the recipe uses must be installed here too.

    [bold]wb sweep-worker cars --storage postgresql://me@host/sweeps --workers 4[/]
    """
    url = storage_of(storage)
    if url is None:
        raise SweepError("add the database that the other machine uses: --storage postgresql://user@host/database")
    wb.compute.choose_device(device)
    console, home = Console(highlight=False, soft_wrap=True), wb_home()
    sweep = wb.sweep.join_sweep(home, name, url, workers, lease_seconds)
    console.print(
        f"[bold]{name}[/]  {sweep.queue.total} trials  {workers} worker{'s' if workers > 1 else ''}  in {sweep.folder.path}"
    )
    stop = Stop()
    status = run_here(sweep, workers, device, minutes, wb.sweep.join_tracking(sweep), stop, console)
    console.print(f"{status}: {sweep.queue.tally().done} of {sweep.queue.total} trials are done")
    if stop.requested:
        sys.exit(128 + (stop.signal or 2))
