"""A server that has imported the workbench and forks for each `wb` command, which then starts in no time.

A command is a process like any other: it can be killed and waited for. It has one thread, since thread pools do not survive a fork.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import json
import os
import pkgutil
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["Child", "ForkServer", "run_wb", "shared_server"]


def run_wb(
    words: Sequence[object], environ: Mapping[str, str], folder: Path | None = None, seconds: float = 300.0
) -> subprocess.CompletedProcess[str]:
    """Run `wb` to its end in a process of its own, as subprocess.run does; `environ` is its whole environment."""
    with tempfile.TemporaryDirectory() as place:
        out, errors = Path(place) / "out", Path(place) / "errors"
        child = shared_server().start(list(map(str, words)), out, errors, folder or Path.cwd(), environ)
        code = child.wait(seconds)
        return subprocess.CompletedProcess(list(words), code, out.read_text(), errors.read_text())


@functools.cache
def shared_server() -> ForkServer:
    """The server of this process."""
    server = ForkServer(os.environ)
    atexit.register(server.close)
    return server


class Child:
    """A command that has been started."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.server, self.pid, self.returncode = server, pid, None

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            self.returncode = self.server.ask({"poll": self.pid})
        return self.returncode

    def wait(self, seconds: float = 120.0) -> int:
        """Wait for its end; kill it and raise TimeoutError if it takes longer."""
        until = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > until:
                self.send_signal(signal.SIGKILL)
                raise TimeoutError(f"process {self.pid} has not ended after {seconds:g} s")
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """As os.kill."""
        if self.poll() is None:
            os.kill(self.pid, number)


class ForkServer:
    """The process that forks."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        # Each child adds its own PYTHONPATH.
        self.environ = {name: value for name, value in environ.items() if name != "PYTHONPATH"}
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env={**self.environ, "NO_COLOR": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.ask({"poll": 0})  # everything is imported

    def start(
        self,
        words: list[str],
        out: Path,
        errors: Path | None = None,
        folder: Path | None = None,
        environ: Mapping[str, str] | None = None,
        *,
        largest_file: int | None = None,
        **more: str,
    ) -> Child:
        """Run `wb` with these words in `folder`, or where `out` is; what it prints is appended to `out`, and to `errors` if given.

        `environ` is its whole environment (default: the server's), to which `more` is added. `largest_file` limits files to that many bytes.
        """
        return Child(
            self,
            self.ask(
                {
                    "words": words,
                    "out": str(out),
                    "errors": str(errors or out),
                    "folder": str(folder or out.parent),  # MLflow puts the artifacts of a new database into the working directory
                    "environ": {**(self.environ if environ is None else environ), **more},
                    "largest_file": largest_file,
                }
            ),
        )

    def ask(self, message: dict[str, Any]) -> Any:
        """One question, one answer."""
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _serve() -> None:
    del sys.path[0]  # this file's folder
    import torch

    torch.set_num_threads(1)
    import workbench.cli
    import workbench.tracking

    for module in pkgutil.walk_packages(workbench.cli.__path__, "workbench.cli."):
        importlib.import_module(module.name)
    torch.optim.AdamW([torch.zeros(1)])  # imports torch's compiler, which takes longer than most of these runs

    # Answers go where standard output went; nothing else does.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        message = json.loads(line)
        answers.write(json.dumps(_answer(message)) + "\n")
        answers.flush()


def _answer(message: dict[str, Any]) -> int | None:
    if "poll" in message:
        pid, status = os.waitpid(message["poll"], os.WNOHANG) if message["poll"] else (0, 0)
        return os.waitstatus_to_exitcode(status) if pid else None
    pid = os.fork()
    if pid == 0:
        _run(message)
    return pid


def _run(message: dict[str, Any]) -> None:
    code = 1
    try:
        _prepare(message)
        from workbench.cli import main

        main()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _prepare(message: dict[str, Any]) -> None:
    """Make this process what a new one would be."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if message["largest_file"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (message["largest_file"], message["largest_file"]))
    os.environ.clear()
    os.environ.update(message["environ"])
    os.chdir(message["folder"])
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.argv = ["wb", *message["words"]]
    appending = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(message["out"], appending, 0o644), 1)
    os.dup2(os.open(message["errors"], appending, 0o644), 2)
    # New objects: the server's own were made for files of another kind, which can be sought in.
    sys.stdout = os.fdopen(1, "w", 1 if "PYTHONUNBUFFERED" in os.environ else -1, closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, closefd=False)


if __name__ == "__main__":
    _serve()
