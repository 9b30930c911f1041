"""Worker processes: started, spoken to, and watched."""

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

LOG_SHOWN = 4000  # characters of a worker's log that are told when it has died


@dataclass
class Process:
    """A worker process with its pipe and its log. A session of its own keeps Ctrl-C from it: the coordinator tells it to stop."""

    command: Sequence[str]
    log: Path
    extra: Mapping[str, str]
    popen: subprocess.Popen[bytes] = field(init=False)
    ready: bool = False
    _received: bytes = b""
    _logged: int = 0  # bytes of the log that others have written, before

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
        """The descriptor on which its messages come."""
        if self.popen.stdout is None:
            raise ValueError("a worker without a pipe")
        return self.popen.stdout.fileno()

    def send(self, message: Mapping[str, Any]) -> None:
        """Say something; a worker that has died hears nothing, and its end of the pipe tells so."""
        if self.popen.stdin is not None:
            with contextlib.suppress(OSError):
                self.popen.stdin.write(json.dumps(message).encode() + b"\n")
                self.popen.stdin.flush()

    def messages(self) -> tuple[list[dict[str, Any]], bool]:
        """What it has said since the last call, and whether it is gone."""
        gone = False
        while True:
            try:
                data = os.read(self.fileno(), 65536)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                gone = True
                break
            self._received += data
        *lines, self._received = self._received.split(b"\n")
        return [json.loads(line) for line in lines if line.strip()], gone

    def stop(self) -> None:
        """Ask it to stop after the current step."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)

    def close(self, seconds: float) -> None:
        """Let it end by itself, as it has nothing more to do; end it if it does not."""
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

    def last_words(self) -> str:
        """How it ended, and the end of its log."""
        code = self.popen.wait()
        how = f"killed by signal {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        try:
            with self.log.open("rb") as log:
                log.seek(self._logged)
                text = log.read().decode(errors="replace")[-LOG_SHOWN:]
        except OSError:
            text = ""
        return f"worker process {how}; its log {self.log} ends:\n{text}"


def environment(index: int, workers: int, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a worker's environment has for itself: its share of the threads, and its GPU where there are several."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    own = {}
    if "OMP_NUM_THREADS" not in environ:
        own["OMP_NUM_THREADS"] = str(max(1, cores // workers))
    gpus = _gpus(environ)
    if len(gpus) > 1:
        own["CUDA_VISIBLE_DEVICES"] = gpus[index % len(gpus)]
    return own


def _gpus(environ: Mapping[str, str]) -> list[str]:
    if "CUDA_VISIBLE_DEVICES" in environ:
        return [each for each in environ["CUDA_VISIBLE_DEVICES"].split(",") if each.strip()]
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]
