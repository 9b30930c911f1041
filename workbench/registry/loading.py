"""Importing one component, and no other."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from workbench import __version__
from workbench.errors import BrokenComponent
from workbench.interfaces import Component, Dataset, Denoiser, FeatureExtractor, Launcher, NoiseSchedule, Sampler
from workbench.registry.calling import place_of
from workbench.registry.discovery import Entry, find
from workbench.registry.kinds import Kind
from workbench.registry.trust import vet
from workbench.registry.versions import CORE, api_range, fits

BASES: dict[Kind, type[Component]] = {
    "schedules": NoiseSchedule,
    "denoisers": Denoiser,
    "samplers": Sampler,
    "datasets": Dataset,
    "features": FeatureExtractor,
    "launchers": Launcher,
}


def load(kind: Kind, name: str) -> type[Any]:
    """The class of a component; BrokenComponent if it cannot be imported, is abstract or needs another core version."""
    return _load(find(kind, name))


@functools.cache
def _load(entry: Entry) -> type[Any]:
    _check_range(entry)
    vet(entry)
    return import_class(entry)


def import_class(entry: Entry) -> type[Any]:
    """Import a component in this process; BrokenComponent if that fails or it is not what its entry point states."""
    _check_range(entry)
    module, _, attribute = entry.target.partition(":")
    try:
        component = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # third-party code may raise anything
        raise BrokenComponent(
            f"'{entry.name}' of {entry.distribution} {entry.version} cannot be loaded: {type(error).__name__}: {error}{place_of(error)}"
        ) from error
    base = BASES[entry.kind]
    if not (isinstance(component, type) and issubclass(component, base)):
        raise BrokenComponent(f"'{entry.name}' of {entry.distribution}: {entry.target} is not a {base.__name__}")
    missing = sorted(getattr(component, "__abstractmethods__", ()))
    if missing:
        raise BrokenComponent(f"'{entry.name}' of {entry.distribution}: {entry.target} lacks {', '.join(missing)}")
    return component


def _check_range(entry: Entry) -> None:
    if not fits(entry.requires):
        raise BrokenComponent(
            f"'{entry.name}' of {entry.distribution} {entry.version} is made for {CORE}{api_range(entry.requires)}, this is {__version__}: "
            f"pip install --upgrade {entry.distribution}"
        )
