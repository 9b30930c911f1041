"""What is registered is tested: lists to parametrize tests with, read from the registry."""

from __future__ import annotations

from typing import Any, TypeVar

from workbench.interfaces import Component, Denoiser, NoiseSchedule, Sampler
from workbench.registry import Kind, installed, load

__all__ = ["every_denoiser", "every_sampler", "every_schedule"]


C = TypeVar("C", bound=Component)


def every_schedule() -> list[NoiseSchedule]:
    """Every installed schedule with its defaults."""
    return _every("schedules", NoiseSchedule)


def every_sampler() -> list[Sampler[Any]]:
    """Every installed sampler with its defaults."""
    return _every("samplers", Sampler)


def every_denoiser() -> list[Denoiser]:
    """Every installed denoiser with its defaults."""
    return _every("denoisers", Denoiser)


def _every(kind: Kind, base: type[C]) -> list[C]:
    return [component() for entry in installed(kind) if issubclass(component := load(kind, entry.qualified), base)]
