"""A launcher for Ray: one task per worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from pydantic import Field

from wb_launchers.command import run
from workbench.interfaces import Launched, Launcher, LauncherError


class _Task:
    def __init__(self, ray: Any, reference: Any, index: int) -> None:
        self._ray, self._reference, self._index = ray, reference, index

    @property
    def name(self) -> str:
        return f"task {self._index}"

    def ended(self) -> bool:
        ready, _ = self._ray.wait([self._reference], timeout=0)
        return bool(ready)

    def stop(self) -> None:
        if not self.ended():
            self._ray.cancel(self._reference)


@final
class Ray(Launcher):
    """Tasks of a Ray cluster, one per worker; without an address, Ray is started on this machine."""

    address: str | None = Field(None, description="address of the cluster, e.g. auto [start Ray on this machine]")
    cpus: float = Field(1.0, gt=0.0, description="CPUs per worker")
    gpus: float = Field(0.0, ge=0.0, description="GPUs per worker")

    def launch(self, command: Sequence[str], environment: Mapping[str, str], count: int, folder: Path) -> list[Launched]:
        """Start the tasks; each runs the command and ends with it."""
        try:
            import ray
        except ImportError as error:
            raise LauncherError("ray needs Ray core: pip install 'diffusion-workbench-launchers[ray]'") from error
        folder.mkdir(parents=True, exist_ok=True)
        try:
            if not ray.is_initialized():
                ray.init(address=self.address, include_dashboard=False, log_to_driver=False, logging_level="error")
            start = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=0)(run)
            return [_Task(ray, start.remote(list(command), dict(environment), str(folder / f"{i}.log")), i) for i in range(count)]
        except (RuntimeError, ConnectionError, ValueError) as error:
            raise LauncherError(f"ray: {error}") from error
