"""A launcher for Slurm, through submitit."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, final

from pydantic import Field

from wb_launchers.command import run
from workbench.interfaces import Launched, Launcher, LauncherError


class _Job:
    def __init__(self, job: Any) -> None:
        self._job = job

    @property
    def name(self) -> str:
        return f"job {self._job.job_id}"

    def ended(self) -> bool:
        return bool(self._job.done())

    def stop(self) -> None:
        if not self.ended():
            self._job.cancel()


@final
class Slurm(Launcher):
    """Jobs of a Slurm cluster, one per worker. submitit writes its batch script and logs into the sweep's folder."""

    cluster: Literal["slurm", "local"] = Field("slurm", description="local: processes on this machine, for trying it out")
    partition: str | None = Field(None, description="partition of the jobs [the cluster's default]")
    minutes: int = Field(720, ge=1, description="time limit of a job; its trial is resumed by another worker")
    cpus: int = Field(4, ge=1, description="CPUs per job")
    gpus: int = Field(0, ge=0, description="GPUs per job")
    memory_gb: int | None = Field(None, ge=1, description="memory per job [the cluster's default]")

    def launch(self, command: Sequence[str], environment: Mapping[str, str], count: int, folder: Path) -> list[Launched]:
        """Submit the jobs."""
        try:
            import submitit
        except ImportError as error:
            raise LauncherError("slurm needs submitit: pip install 'diffusion-workbench-launchers[slurm]'") from error
        try:
            executor = submitit.AutoExecutor(folder=folder / "%j", cluster=self.cluster)
            executor.update_parameters(**self._parameters())
            with _environment(environment):  # jobs inherit it, so it is written to no file
                return [
                    _Job(executor.submit(run, list(command), {}, str(folder / f"slurm-{index}.log"))) for index in range(count)
                ]
        except (RuntimeError, OSError, ValueError, submitit.core.utils.FailedJobError) as error:
            raise LauncherError(f"slurm: {error}") from error

    def _parameters(self) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "name": "wb-sweep",
            "timeout_min": self.minutes,
            "cpus_per_task": self.cpus,
            "gpus_per_node": self.gpus,
        }
        if self.memory_gb is not None:
            parameters["mem_gb"] = self.memory_gb
        if self.partition is not None:
            parameters["slurm_partition"] = self.partition
        return parameters


@contextmanager
def _environment(extra: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in extra}
    os.environ.update(extra)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
