"""`wb` many times at the price of one import: a process that has imported everything forks for each command.

A child is a process like any other, to be killed and waited for. One thread only: pools of threads do not survive a fork.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

__all__ = ["Child", "Nursery"]


class Child:
    """A command that has been started."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.nursery, self.pid, self.returncode = nursery, pid, None

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it goes on."""
        if self.returncode is None:
            self.returncode = self.nursery.ask({"poll": self.pid})
        return self.returncode

    def wait(self, seconds: float = 120.0) -> int:
        """Wait for its end; TimeoutError if it does not come."""
        until = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > until:
                raise TimeoutError(f"process {self.pid} goes on")
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """As os.kill."""
        if self.poll() is None:
            os.kill(self.pid, number)


class Nursery:
    """The process that forks."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.ask({"poll": 0})  # everything is imported

    def start(self, words: list[str], log: Path, *, largest_file: int | None = None, **environ: str) -> Child:
        """Run `wb` with these words; what it prints goes to the end of `log`. No file may become larger than `largest_file` bytes."""
        return Child(self, self.ask({"words": words, "log": str(log), "environ": environ, "largest_file": largest_file}))

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
    import torch

    torch.set_num_threads(1)
    import workbench.cli.sync
    import workbench.cli.tracked
    import workbench.engine
    import workbench.tracking  # noqa: F401

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
        if message["largest_file"] is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (message["largest_file"], message["largest_file"]))
        _run(message["words"], message["log"], message["environ"])
    return pid


def _run(words: list[str], log: str, environ: dict[str, str]) -> None:
    code = 1
    try:
        os.setsid()
        os.chdir(Path(log).parent)  # MLflow puts the artifacts of a new database into the working directory
        os.environ.update(environ)
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, handle in ((0, nothing), (1, target), (2, target)):
            os.dup2(handle, number)
        sys.argv = ["wb", *words]
        from workbench.cli import main

        main()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
