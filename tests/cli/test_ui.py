"""`wb ui`: the server answers this machine only, unless it is exposed."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.cli.ui import allowed_hosts, server_command, server_environment
from workbench.tracking import local_store, open_run

CANARY = "Gartenrotschwanz3"
ANY = "0.0.0.0"  # noqa: S104 - refused


def wb_ui(*words, **environment):
    """Start `wb ui`."""
    command = [sys.executable, "-m", "workbench", "ui", *map(str, words)]
    return subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def status(port, host, path="/ajax-api/2.0/mlflow/experiments/search?max_results=1"):
    """Status of the answer to a request that names `host`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Host": host})
        return connection.getresponse().status


def page(port):
    """The start page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        return connection.getresponse().read().decode()


def until(process, word):
    """The output of a process up to the line with a word."""
    printed = ""
    while word not in printed and (line := process.stdout.readline()):
        printed += line
    return printed


def listeners(port):
    """Addresses that listen on a port, in hexadecimal as the kernel lists them."""
    addresses = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:] if Path(table).exists() else []:
            address, number = line.split()[1].split(":")
            if int(number, 16) == port and line.split()[3] == "0A":
                addresses.add(address)
    return addresses


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the test ends processes with POSIX signals")
def test_the_server_answers_this_machine_by_its_own_names_only_and_ends_with_wb(tmp_path):
    port, printed = free_port(), ""
    home = tmp_path / "home"
    open_run(local_store(home), "workbench", "a run", home, tags={"wb.run": "a run"})
    (tmp_path / "browser.py").write_text("import sys; print('opened', sys.argv[1])")
    # The user's own environment must not disable the protection.
    process = wb_ui(
        "--port",
        port,
        "--browser",
        BROWSER=f"{sys.executable} {tmp_path / 'browser.py'} %s",
        MLFLOW_SERVER_ALLOWED_HOSTS="*",
        MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE="true",
        MLFLOW_HOST=ANY,
    )
    try:
        printed = until(process, "opened")
        assert "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1" in page(port)
        assert {host: status(port, host) for host in (f"localhost:{port}", f"127.0.0.1:{port}")} == {
            f"localhost:{port}": 200,
            f"127.0.0.1:{port}": 200,
        }
        # The last ones start like private addresses, which MLflow's own list accepts.
        foreign = (
            "evil.example",
            f"evil.example:{port}",
            f"localhost.evil.example:{port}",
            "10.evil.example",
            "192.168.evil.example",
        )
        assert {host: status(port, host) for host in foreign} == dict.fromkeys(foreign, 403)
        if sys.platform == "linux" and listeners(port):
            assert listeners(port) == {"0100007F"}
    finally:
        process.send_signal(signal.SIGTERM)
        out = printed + process.communicate(timeout=60)[0]
    assert process.returncode == 0, out
    link = f"http://127.0.0.1:{port}/#/experiments/1/runs?"
    assert f"MLflow UI: {link}" in out
    assert f"opened {link}" in out
    assert "Deprecat" not in out
    assert out.count("http") == 2
    with pytest.raises(OSError, match=r"refused|111"):
        status(port, "localhost")


@pytest.mark.parametrize("host", [ANY, "::", "192.168.1.7", "example.org", ""])
def test_addresses_other_than_loopback_need_expose(host, tmp_path):
    local_store(tmp_path / "home")
    process = wb_ui("--host", host)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 2
    message = " ".join(out.split())
    assert "anyone who reaches this machine over the network could read, change and delete all runs" in message
    assert "add --expose" in message
    assert "ssh -L 5000:127.0.0.1:5000" in message


def test_a_request_may_name_this_machine_and_nothing_else():
    own = ["localhost:5000", "127.0.0.1:5000", "[::1]:5000"]
    assert allowed_hosts("127.0.0.1", 5000) == allowed_hosts("localhost", 5000) == allowed_hosts("::1", 5000) == own
    assert allowed_hosts("127.0.0.7", 5000) == [*own, "127.0.0.7:5000"]
    exposed = allowed_hosts("192.0.2.7", 5000)
    assert {*own, "192.0.2.7:5000", f"{socket.gethostname()}:5000"} <= set(exposed)
    for hosts in (exposed, allowed_hosts(ANY, 5000)):
        assert not any("*" in host for host in hosts)
        assert "evil.example:5000" not in hosts


def test_the_store_is_in_the_servers_environment_and_not_on_its_command_line():
    uri = f"postgresql://me:{CANARY}@127.0.0.1/mlflow"
    assert CANARY not in " ".join(server_command("/artifacts", "127.0.0.1", 5000))
    assert server_environment(uri, ["localhost:5000"])["MLFLOW_BACKEND_STORE_URI"] == uri


def test_the_address_of_a_server_is_printed_without_its_password():
    uri = f"http://me:{CANARY}@127.0.0.1:5000"
    process = wb_ui(MLFLOW_TRACKING_URI=uri, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert "open http://***@127.0.0.1:5000" in out
    assert CANARY not in out
