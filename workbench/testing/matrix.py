"""Lists of the registered components, to parametrize tests with: what is registered is tested."""

from __future__ import annotations

from typing import Any

from workbench.interfaces import Denoiser, NoiseSchedule, Sampler
from workbench.registry import Kind, installed, load


def every_schedule() -> list[NoiseSchedule]:
    """Every installed schedule with its defaults."""
    return _every("schedules")


def every_sampler() -> list[Sampler[Any]]:
    """Every installed sampler with its defaults."""
    return _every("samplers")


def every_denoiser() -> list[Denoiser]:
    """Every installed denoiser with its defaults."""
    return _every("denoisers")


def _every(kind: Kind) -> list[Any]:
    return [load(kind, entry.qualified)() for entry in installed(kind)]
