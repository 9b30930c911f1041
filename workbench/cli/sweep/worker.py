"""wb sweep-worker"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

import workbench as wb
from workbench.cli.arguments import Device
from workbench.cli.sweep.going import run_sweep
from workbench.cli.sweep.record import SweepTracking
from workbench.cli.sweep.run import Minutes, Storage, Workers, storage_of
from workbench.errors import SweepError
from workbench.home import wb_home
from workbench.progress import Stop


def sweep_worker(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The sweep, as `wb sweep` on the other machine calls it.")],
    storage: Storage = None,
    workers: Workers = 1,
    minutes: Minutes = None,
    device: Device = "auto",
    lease_seconds: Annotated[float | None, typer.Option(hidden=True, min=1.0)] = None,
) -> None:
    """Help with a sweep from another machine; both reach the same PostgreSQL.

    A machine that goes away loses its trials to the others after a minute; nothing is done twice. Results are recorded where the
    sweep is recorded. Plugins that the recipe uses must be installed here too.

    [bold]wb sweep-worker cars --storage postgresql://me@host/sweeps --workers 4[/]
    """
    url = storage_of(storage)
    if url is None:
        raise SweepError("name the database that the other machine uses: --storage postgresql://user@host/database")
    wb.compute.choose_device(device)
    console, home = Console(highlight=False, soft_wrap=True), wb_home()
    sweep = wb.sweep.sweep_started_elsewhere(home, name, url, workers, lease_seconds)
    console.print(
        f"[bold]{name}[/]  {sweep.desk.total} trials  {workers} worker{'s' if workers > 1 else ''}  in {sweep.folder.path}"
    )
    stop = Stop()
    status = run_sweep(sweep, workers, minutes, device, SweepTracking.known(sweep), stop, console)
    console.print(f"{status}: {sweep.desk.tally().done} of {sweep.desk.total} trials are done")
    if stop.requested:
        sys.exit(128 + (stop.signal or 2))
