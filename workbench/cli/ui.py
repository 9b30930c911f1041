"""wb ui"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from workbench.errors import TrackingError

__all__ = ["server_command", "ui"]

HOST = "127.0.0.1"


def ui(
    port: Annotated[int, typer.Option(min=1024, max=65535, help="The next free one is taken if this is in use.")] = 5000,
    tracking_uri: Annotated[
        str | None, typer.Option(metavar="URI", help="Another store than the usual one.", show_default=False)
    ] = None,
) -> None:
    """Open the MLflow UI on the recorded runs, on this machine only. Ctrl-C ends it.

    Tick runs and press Compare, or open an experiment's chart view: curves and image grids of several runs stand side by side.

    [bold]wb ui[/]
    [bold]wb ui --port 5050[/]
    """
    from workbench.home import wb_home
    from workbench.tracking import tracking_uri as resolve
    from workbench.tracking.quiet import prepare_environment

    home = wb_home()
    uri = resolve(tracking_uri, os.environ, None, home)
    if uri.startswith(("http://", "https://")):
        typer.echo(f"the runs are on a server: open {uri}")
        return
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        raise TrackingError(f"no runs are recorded in {uri.removeprefix('sqlite:///')} yet: wb run recipes/cars_linear.toml")
    chosen = _free_port(port)
    if chosen != port:
        typer.echo(f"port {port} is in use, taking {chosen}")
    prepare_environment()
    typer.echo(f"MLflow UI: http://{HOST}:{chosen}   (Ctrl-C ends it)")
    server = subprocess.Popen(server_command(uri, str(home / "mlflow" / "artifacts"), chosen), env=_environment())
    try:
        code = server.wait()
    except KeyboardInterrupt:
        server.terminate()
        server.wait(timeout=15)
        code = 0
    if code not in (0, -2, -15):
        raise TrackingError(f"the MLflow server ended with exit code {code}; its messages are above")


def server_command(uri: str, artifacts: str, port: int) -> list[str]:
    """The MLflow server as a command: one worker, on the loopback interface."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    return [*command, "--backend-store-uri", uri, "--default-artifact-root", artifacts, "--artifacts-destination", artifacts]


def _environment() -> dict[str, str]:
    # The job runner starts further processes that nothing here uses.
    return {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def _free_port(port: int) -> int:
    for candidate in range(port, min(port + 50, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, candidate))
            except OSError:
                continue
            return candidate
    raise TrackingError(f"no free port between {port} and {port + 49}; choose another with --port")
