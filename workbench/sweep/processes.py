"""Worker processes, with their pipes and logs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOG_SHOWN = 4000  # characters of the log that are shown when a worker has crashed


@dataclass
class Process:
    """A worker process with its pipe and its log. It has its own session, so that Ctrl-C reaches only the coordinator, which stops it."""

    command: Sequence[str]
    log: Path
    extra: Mapping[str, str]
    popen: subprocess.Popen[bytes] = field(init=False)
    ready: bool = False
    _received: bytes = b""
    _logged: int = 0  # bytes of the log that earlier workers wrote

    def __post_init__(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._logged = log.tell()
            self.popen = subprocess.Popen(
                list(self.command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self.extra},
                start_new_session=True,
            )
        os.set_blocking(self.fileno(), False)

    def fileno(self) -> int:
        """The descriptor from which its messages are read."""
        if self.popen.stdout is None:
            raise ValueError("the worker has no pipe")
        return self.popen.stdout.fileno()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; if the worker has ended, it is lost, and `messages` reports the end."""
        if self.popen.stdin is not None:
            with contextlib.suppress(OSError):
                self.popen.stdin.write(json.dumps(message).encode() + b"\n")
                self.popen.stdin.flush()

    def messages(self) -> tuple[list[dict[str, Any]], bool]:
        """The messages since the last call, and True if the worker has ended."""
        ended = False
        while True:
            try:
                data = os.read(self.fileno(), 65536)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                ended = True
                break
            self._received += data
        *lines, self._received = self._received.split(b"\n")
        return [json.loads(line) for line in lines if line.strip()], ended

    def stop(self) -> None:
        """Request a stop after the current step."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)

    def close(self, seconds: float) -> None:
        """Close its pipe, upon which an idle worker ends by itself; kill it after `seconds`."""
        if self.popen.stdin is not None:
            with contextlib.suppress(OSError):
                self.popen.stdin.close()
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        if self.popen.stdout is not None:
            self.popen.stdout.close()

    def describe_end(self) -> str:
        """The exit code or signal, and the end of the log."""
        code = self.popen.wait()
        end = f"killed by signal {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        try:
            with self.log.open("rb") as log:
                log.seek(self._logged)
                text = log.read().decode(errors="replace")[-LOG_SHOWN:]
        except OSError:
            text = ""
        return f"worker process {end}; its log {self.log} ends:\n{text}"


def worker_environment(index: int, workers: int, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables of one worker: its share of the threads, and its GPU if there are several."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    variables = {}
    if "OMP_NUM_THREADS" not in environ:
        variables["OMP_NUM_THREADS"] = str(max(1, cores // workers))
    gpus = _gpus(environ)
    if len(gpus) > 1:
        variables["CUDA_VISIBLE_DEVICES"] = gpus[index % len(gpus)]
    return variables


def _gpus(environ: Mapping[str, str]) -> list[str]:
    if "CUDA_VISIBLE_DEVICES" in environ:
        return [gpu for gpu in environ["CUDA_VISIBLE_DEVICES"].split(",") if gpu.strip()]
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]
