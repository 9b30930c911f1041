"""A password that sings: where it is given to `wb`, and where it must never be seen again."""

import base64
import contextlib
import http.server
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from tests.fork_server import shared_server

CANARY = "Zaunkoenig7Gimpel"
SERVER = f"http://wren:{CANARY}@127.0.0.1:1/"
DATABASE = f"postgresql://wren:{CANARY}@127.0.0.1:1/birds"
SWEEP = """
[sweep]
metric = "val/loss"
pruner = "none"
confirm = 0
trials = 1
[sweep.space]
"train.learning_rate" = { low = 1e-5, high = 1e-2, log = true }
"""
RECIPE = (Path(__file__).parent / "tiny.toml").read_text() + SWEEP
# The canary as it is, and as it is in what was encoded: base64 at each of the three places it may begin, UTF-16 and hexadecimal.
NEEDLES = (
    CANARY.encode(),
    CANARY.encode("utf-16-le"),
    CANARY.encode().hex().encode(),
    *(base64.b64encode(b"?" * shift + CANARY.encode())[4 * (shift > 0) : -4].lstrip(b"=") for shift in range(3)),
)
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at in /proc")


def sings(data: bytes) -> bool:
    """Whether the canary is in there."""
    return any(needle in data for needle in NEEDLES)


def heard_in(folder: Path) -> list[str]:
    """Files under a folder that the canary is in, or is the name of; databases are also read row by row, since pages divide values."""
    heard = []
    for path in sorted(folder.rglob("*")):
        if sings(bytes(path.relative_to(folder))):
            heard.append(f"the name of {path}")
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            if sings(data) or (data[:15] == b"SQLite format 3" and sings(rows_of(path))):
                heard.append(str(path.relative_to(folder)))
    return heard


def rows_of(path: Path) -> bytes:
    with contextlib.closing(sqlite3.connect(path)) as connection, contextlib.suppress(sqlite3.DatabaseError):
        return "\n".join(connection.iterdump()).encode()
    return b""


class Watch:
    """Reads the command lines of all processes that come from process `root`, until it is left."""

    def __init__(self, root: int) -> None:
        self._root, self._left = root, threading.Event()
        self.lines: dict[int, bytes] = {}
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._left.set()
        self._thread.join()

    def _run(self):
        while not self._left.wait(0.02):
            parents = {}
            for folder in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError, IndexError):
                    parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            for process in parents:
                if process != self._root and self._descends(process, parents):
                    with contextlib.suppress(OSError):
                        line = Path(f"/proc/{process}/cmdline").read_bytes()
                        self.lines[process] = self.lines.get(process, b"") + line

    def _descends(self, process, parents):
        while process in parents:
            if process == self._root:
                return True
            process = parents[process]
        return False


class Cage:
    """A WB_HOME, a folder to work in, and what came out of `wb` there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        self.recipe = folder / "recipe.toml"
        self.recipe.write_text(RECIPE)
        self.output, self.children = "", 0

    def wb(self, *words, seconds=300, **environment):
        """Run it, listen, and return its exit code; what the user typed is known to the user, what it starts is not."""
        kept = {
            name: value for name, value in os.environ.items() if name == "WB_CACHE" or not name.startswith(("MLFLOW_", "WB_"))
        }
        given = {
            **kept,
            "WB_HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "OMP_NUM_THREADS": "1",
            **environment,
        }
        with tempfile.TemporaryDirectory() as elsewhere:
            logs = Path(elsewhere) / "out", Path(elsewhere) / "errors"
            child = shared_server().start(list(map(str, words)), *logs, self.folder, given)
            with Watch(child.pid) as watch:
                code = child.wait(seconds)
            out, err = (log.read_bytes() for log in logs)
        self.output += f"{out.decode()}\n{err.decode()}"
        self.children += len(watch.lines)
        assert not sings(out), out.decode()
        assert not sings(err), err.decode()
        heard = [line for line in watch.lines.values() if sings(line)]
        assert heard == []
        self.recipe.unlink(missing_ok=True)  # the user's own file may hold it
        assert heard_in(self.folder) == []
        self.recipe.write_text(RECIPE)
        return code

    @property
    def text(self):
        """The output as one line."""
        return " ".join(self.output.split())


@pytest.fixture
def cage(tmp_path):
    """The processes and files in which the canary must not appear."""
    return Cage(tmp_path)


def with_tracking(line):
    return RECIPE + textwrap.dedent(f"\n[tracking]\n{line}\n")


# Words after `wb`, the environment, the exit code, and a part of the output.
FAILING = {
    "a tracking store of no kind there is": (
        ["run", "recipe.toml", "--tracking-uri", SERVER.replace("http", "ftp")], {}, 2, "is not a tracking store",
    ),
    "a tracking store of no kind, from the environment": (
        ["run", "recipe.toml"], {"MLFLOW_TRACKING_URI": SERVER.replace("http", "gopher")}, 2, "is not a tracking store",
    ),
    "a password with what ends one": (
        ["run", "recipe.toml"], {"MLFLOW_TRACKING_URI": f"ftp://wren:a/b@{CANARY}'{CANARY}@127.0.0.1:1/"}, 2, "is not a tracking store",
    ),
    "--set tracking.uri": (
        ["validate", "recipe.toml", "--set", f"tracking.uri={DATABASE}"], {}, 2, "tracking.uri: holds a password",
    ),
    "--set tracking.uri of another type": (
        ["validate", "recipe.toml", "--set", f"tracking.uri=['{SERVER}']"], {}, 2, "tracking.uri: expected text in quotes",
    ),
    "--set of no key": (
        ["validate", "recipe.toml", "--set", SERVER], {}, 2, "--set",
    ),
    "a database that is away": (
        ["sweep", "recipe.toml", "--storage", DATABASE], {}, 2, "cannot be reached",
    ),
    "a database that is away, from the environment": (
        ["sweep", "recipe.toml"], {"WB_SWEEP_STORAGE": DATABASE}, 2, "cannot be reached",
    ),
    "a database whose password is a parameter": (
        ["sweep", "recipe.toml", "--storage", f"postgresql://127.0.0.1:1/birds?user=wren&password={CANARY}"], {}, 2, "cannot be reached",
    ),
    "a database whose port is no number": (
        ["sweep", "recipe.toml", "--storage", DATABASE.replace(":1/", ":one/")], {}, 2, "--storage: expected a URL",
    ),
    "a database whose URL libpq does not understand": (
        ["sweep", "recipe.toml", "--storage", f"{DATABASE}?sslmode={CANARY}&password={CANARY}"], {"WB_SWEEP_STORAGE": DATABASE}, 2, "reached",
    ),
    "a database of another kind": (
        ["sweep", "recipe.toml", "--storage", DATABASE.replace("postgresql", "mysql")], {}, 2, "not for several machines",
    ),
    "a worker whose database is away": (
        ["sweep-worker", "birds", "--storage", DATABASE], {}, 2, "cannot be reached",
    ),
    "a launcher whose database is away": (
        ["sweep", "recipe.toml", "--launcher", "slurm", "--launcher-set", "cluster=local"], {"WB_SWEEP_STORAGE": DATABASE}, 2, "cannot be reached",
    ),
    "the UI of a file that is not there": (
        ["ui"], {"MLFLOW_TRACKING_URI": f"sqlite:////nowhere/mlflow.db?password={CANARY}"}, 2, "no runs are recorded",
    ),
    "weights whose place has a password": (
        ["weights", "get", "inception", "--url", f"{SERVER}x.pth"], {}, 2, "a URL with a password in it is not followed",
    ),
    "weights behind a proxy that is away": (
        ["weights", "get", "inception", "--url", "http://127.0.0.1:1/x.pth"], {"http_proxy": SERVER, "no_proxy": ""}, 2, "download failed",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("words", "environment", "code", "message"), FAILING.values(), ids=list(FAILING))
def test_a_failure_leaves_no_password(words, environment, code, message, cage):
    assert cage.wb(*words, **environment) == code
    assert message in cage.text
    assert "Traceback" not in cage.output


@pytest.mark.chaos  # MLflow's server asks a database that is away for two minutes
def test_a_server_whose_database_is_unreachable_keeps_its_password(cage):
    assert cage.wb("ui", "--tracking-uri", DATABASE, "--port", "5990", seconds=590) == 2
    assert "MLflow server ended" in cage.text
    assert cage.children >= 1


@pytest.mark.parametrize(
    "line",
    [
        f'uri = "{SERVER}"',
        f'uri = "{DATABASE}"',
        f'uri = "postgresql://127.0.0.1/birds?password={CANARY}"',
        f'uri = "https://{CANARY}@127.0.0.1/"',
    ],
)
def test_a_recipe_with_a_password_is_refused_with_what_to_do_instead(line, cage):
    cage.recipe.write_text(with_tracking(line))
    number = 1 + with_tracking(line).splitlines().index(line)
    assert cage.wb("run", "recipe.toml") == 2
    assert f"recipe.toml:{number}: tracking.uri: holds a password" in cage.text
    assert "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in cage.text
    assert not list(cage.home.glob("runs/*"))


def test_a_recipe_that_is_not_toml_is_not_quoted(cage):
    cage.recipe.write_text(with_tracking(f"uri = {SERVER}"))
    assert cage.wb("validate", "recipe.toml") == 2
    assert "not valid TOML" in cage.text


@pytest.mark.parametrize("uri", ["http://127.0.0.1:5000", "postgresql://wren@127.0.0.1/birds", "sqlite:////tmp/a@b/mlflow.db"])
def test_a_recipe_without_a_password_is_not_refused(uri, cage):
    cage.recipe.write_text(with_tracking(f'uri = "{uri}"'))
    assert cage.wb("validate", "recipe.toml") == 0


@pytest.mark.chaos
def test_a_run_whose_server_is_unreachable_and_all_that_may_come_after_it_keep_the_password(cage):
    away = {"MLFLOW_TRACKING_URI": SERVER}
    assert cage.wb("run", "recipe.toml", **away) == 0
    assert "***@127.0.0.1:1" in cage.output
    assert cage.wb("sync", **away) == 1
    assert cage.wb("sync") == 1
    cage.wb("eval", "latest", "--samples", "4", **away)
    cage.wb("ui", **away)
    cage.wb("doctor", **away, WB_INCEPTION_WEIGHTS=f"https://wren:{CANARY}@127.0.0.1/x.safetensors")
    assert heard_in(cage.home) == []


@pytest.mark.chaos
def test_a_sweep_whose_server_is_unreachable_keeps_the_password_from_its_workers_command_lines_and_logs(cage):
    cage.wb("sweep", "recipe.toml", seconds=600, MLFLOW_TRACKING_URI=SERVER)
    assert cage.children >= 1
    assert list(cage.home.glob("sweeps/tiny/logs/worker-*"))


class Refusing(http.server.BaseHTTPRequestHandler):
    """A server that wants another password, and quotes the one it was given."""

    def _answer(self):
        self.server.seen.append(self.headers.get("Authorization"))
        body = (
            f'{{"error_code": "UNAUTHENTICATED", "message": "not {self.headers.get("Authorization")}, wren:{CANARY}"}}'.encode()
        )
        self.send_response(401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.mark.chaos
def test_a_server_that_refuses_the_password_and_quotes_it_does_not_get_it_printed(cage):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        server.seen = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        given = {
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{server.server_port}",
            "MLFLOW_TRACKING_USERNAME": "wren",
            "MLFLOW_TRACKING_PASSWORD": CANARY,
        }
        try:
            cage.wb("doctor", **given)
            cage.wb("run", "recipe.toml", **given)
            cage.wb("sync", **given)
        finally:
            server.shutdown()
            thread.join()
    expected = f"Basic {base64.b64encode(f'wren:{CANARY}'.encode()).decode()}"
    assert expected in server.seen  # it was given where it belongs


@contextlib.contextmanager
def mlflow_server(folder):
    """A real server whose database and artifacts are under `folder`; its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir()
    words = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port, "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", folder / "artifacts"]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(list(map(str, words)), stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                break
            time.sleep(0.2)
        yield f"127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait()


@pytest.mark.chaos
def test_a_run_that_is_sent_leaves_the_password_nowhere(cage):
    with mlflow_server(cage.folder / "server") as place:
        given = {"MLFLOW_TRACKING_URI": f"http://wren:{CANARY}@{place}"}
        assert cage.wb("run", "recipe.toml", **given) == 0
        assert cage.wb("sync", **given) == 0
        with contextlib.closing(sqlite3.connect(cage.folder / "server" / "mlflow.db")) as connection:
            assert connection.execute("select count(*) from runs where status = 'FINISHED'").fetchone() == (1,)
            assert connection.execute("select count(*) from metrics").fetchone()[0] > 3
        assert list((cage.folder / "server" / "artifacts").rglob("*.png"))
    assert heard_in(cage.folder) == []


def test_the_search_for_the_canary_finds_it(tmp_path):
    (tmp_path / "plain").write_text(f"uri = {SERVER}")
    (tmp_path / "coded").write_bytes(base64.b64encode(f"wren:{CANARY}".encode()))
    (tmp_path / f"{CANARY}.png").write_bytes(b"")
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.execute("create table t (a text)")
        connection.execute("insert into t values (?)", ("x" * 4070 + CANARY + "x" * 9000,))
        connection.commit()
    assert heard_in(tmp_path) == [f"the name of {tmp_path / CANARY}.png", "a.db", "coded", "plain"]
    with Watch(os.getpid()) as watch:
        subprocess.run([sys.executable, "-c", "import time; time.sleep(1)", CANARY], check=True)
    assert any(sings(line) for line in watch.lines.values())
