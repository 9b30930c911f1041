"""wb ui"""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer

import workbench as wb
from workbench.cli.arguments import TrackingUri
from workbench.cli.signals import hangup_signals
from workbench.errors import TrackingError
from workbench.home import wb_home
from workbench.secrets import mask_password
from workbench.sqlite import sqlite_path

HOST = "127.0.0.1"


def ui(
    port: Annotated[int, typer.Option(min=1024, max=65535, help="Port; the next free one if it is in use.")] = 5000,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; any but a loopback address needs --expose.")
    ] = HOST,
    expose: Annotated[bool, typer.Option("--expose", help="Let anyone on the network read, change and delete all runs.")] = False,
    tracking_uri: TrackingUri = None,
    browser: Annotated[
        bool | None,
        typer.Option("--browser/--no-browser", help="Open the link in a browser.", show_default="on a desktop"),
    ] = None,
) -> None:
    """Open the MLflow UI on the recorded runs, on this machine only.

    Prints a link to the charts of the newest experiment: distances, losses
    and samples of its runs. Ctrl-C stops the server.

    [bold]wb ui[/]
    [bold]wb ui --port 5050[/]
    [bold]wb ui --host 0.0.0.0 --expose[/]      open to the whole network, without a password
    """
    home = wb_home()
    _check_exposure(host, port, expose)
    uri = wb.tracking.tracking_uri(tracking_uri, os.environ, None, home)
    wb.tracking.check_uri(uri)
    if uri.startswith(("http://", "https://")):
        typer.echo(f"the runs are on a server: open {mask_password(uri).rstrip('/')}{_charts(uri, home)}")
        return
    path = sqlite_path(uri)
    if path is not None and not path.exists():
        raise TrackingError(f"no runs are recorded in {path} yet (start one with: wb run recipes/cars_linear.toml)")
    if uri == wb.tracking.default_uri(home):
        wb.tracking.relocate_store(home)
    chosen = _free_port(host, port)
    if chosen != port:
        typer.echo(f"port {port} is in use: using {chosen}")
    wb.tracking.prepare_environment()
    typer.echo("starting the MLflow server ...")
    root = wb.tracking.artifact_root(uri, home) or home / "mlflow" / "artifacts"
    command = server_command(root.as_uri(), host, chosen)
    with _server(command, server_environment(uri, allowed_hosts(host, chosen))) as server:
        link = f"http://{_in_url(host)}:{chosen}{_charts(uri, home)}"  # read while the server starts, which takes seconds
        if _becomes_ready(server, (host, chosen)):
            typer.echo(f"MLflow UI: {link}   (Ctrl-C stops it)")
            if _is_desktop() if browser is None else browser:
                webbrowser.open(link)
        code = server.wait()
        if code not in (0, -2, -15):
            raise TrackingError(f"the MLflow server ended with exit code {code}; see its messages above")


def server_command(artifacts: str, host: str, port: int) -> list[str]:
    """The command that starts an MLflow server with one worker; without the store, since every user can read command lines."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port), "--workers", "1"]
    # Without the server's own link, which leads to another page, and without a line per request.
    command += ["--uvicorn-opts", "--log-level warning"]
    if entry_points(group="mlflow.app", name="workbench"):  # absent in a source tree that is not installed
        command += ["--app-name", "workbench"]
    return [*command, "--default-artifact-root", artifacts, "--artifacts-destination", artifacts]


def server_environment(uri: str, hosts: list[str]) -> dict[str, str]:
    """The server's environment: the store, and the host names it answers to, which override the user's environment."""
    kept = {name: value for name, value in os.environ.items() if name != "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"}
    return {
        "PYTHONWARNINGS": "ignore",  # deprecations inside MLflow and its dependencies
        "MLFLOW_REGISTRY_STORE_URI": uri,  # otherwise MLflow prints a message
        **kept,
        "MLFLOW_BACKEND_STORE_URI": uri,
        # A foreign web page whose name resolves to this machine must not read the runs (DNS rebinding). MLflow's own list would
        # accept every name that starts like a private address, e.g. 10.example.org.
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(hosts),
        "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "false",
        # The job runner would start further processes, which are not used.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def allowed_hosts(host: str, port: int) -> list[str]:
    """Allowed Host headers: this machine's own names and, if the server is exposed, the address it listens on."""
    names = ["localhost", "127.0.0.1", "[::1]"]
    if not _is_loopback(host):
        names += [socket.gethostname(), socket.getfqdn(), *(_addresses() if _is_any(host) else [_in_url(host)])]
    elif _in_url(host) not in names:
        names.append(_in_url(host))
    return [f"{name}:{port}" for name in dict.fromkeys(names)]


def _check_exposure(host: str, port: int, expose: bool) -> None:
    if not expose and not _is_loopback(host):
        raise TrackingError(
            f"--host {host}: anyone who reaches this machine over the network could read, change and delete all runs, because "
            f"there is no password. To allow that, add --expose. To open the UI from one other machine, leave out --host and open "
            f"a tunnel there: ssh -L {port}:{HOST}:{port} {socket.gethostname()}"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _addresses() -> list[str]:
    """The addresses that this machine's own name resolves to."""
    try:
        return sorted({_in_url(str(info[4][0])) for info in socket.getaddrinfo(socket.gethostname(), None)})
    except OSError:
        return []


def _charts(uri: str, home: Path) -> str:
    """The path of the page with the charts; "" if the view cannot be stored, since the UI works without it."""
    try:
        return wb.tracking.open_view(uri, home)
    except TrackingError as error:
        typer.echo(f"the link opens MLflow's start page: {error}", err=True)
        return ""


def _is_desktop() -> bool:
    """True if this is a terminal on a machine with a screen, where a browser can be opened."""
    screen = sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return screen and sys.stdout.isatty() and "SSH_CONNECTION" not in os.environ


@contextmanager
def _server(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A running server that Ctrl-C, SIGTERM and SIGHUP stop, with all processes of its group."""
    for number in (signal.SIGTERM, *hangup_signals()):
        signal.signal(number, signal.default_int_handler)
    server = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        yield server
    except KeyboardInterrupt:
        pass
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM) if hasattr(os, "killpg") else server.terminate()
            server.wait(timeout=15)


def _becomes_ready(server: subprocess.Popen[bytes], address: tuple[str, int]) -> bool:
    """Wait until the server answers; False if it exits first."""
    while server.poll() is None:
        try:
            socket.create_connection(address, timeout=1.0).close()
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False


def _free_port(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, min(port + 50, 65536)):
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
            except OSError:
                continue
            return candidate
    raise TrackingError(f"no free port between {port} and {port + 49} on {host}; choose another with --port or --host")
