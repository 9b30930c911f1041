"""The environment of a run: everything besides the recipe that its numbers depend on, and how far two runs can agree."""

from __future__ import annotations

import functools
import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from workbench.compute import cpu_id, describe_device
from workbench.model import Parts
from workbench.recipe import dumps, origins_of
from workbench.registry import distribution
from workbench.training.checkpoint import Checkpoint

Determinism = Literal["bit", "inputs", "statistical"]

# These determine the images, times and noise of every step; the others only affect rounding.
_INPUTS = {
    "recipe": "the recipe",
    "data": "the data",
    "components": "the components' code",
    "workbench": "the workbench's own code",
}
_ROUNDING = {
    "device": "the device",
    "processor": "the processor",
    "threads": "the number of threads",
    "compute": "precision, fast path or micro-batches",
    "torch": "torch",
    "numpy": "numpy",
    "python": "Python",
}


@dataclass(frozen=True)
class Agreement:
    """How far two computations of one run agree, and the differences that limit it.

    "bit": every weight, number and image is bitwise equal. "inputs": every step sees the same images, times and noise, and sums are rounded
    differently. "statistical": neither; the results are equally good.
    """

    level: Determinism
    reasons: tuple[str, ...]

    def describe(self) -> str:
        """One line for the user."""
        meaning = {
            "bit": "ends bit for bit where an uninterrupted run would",
            "inputs": "sees the same images and noise as an uninterrupted run, rounded differently",
            "statistical": "ends as good as an uninterrupted run, but elsewhere",
        }[self.level]
        return f"{self.level} ({meaning})" + (f": {'; '.join(self.reasons)}" if self.reasons else "")


def recipe_hash(parts: Parts) -> str:
    """SHA-256 of the resolved recipe as TOML, without fields that change no number: names, texts, paths, and when training ends.

    Data may be moved: `environment` has their fingerprint. The number of steps is included if the learning rate depends on it; micro-batches only
    affect rounding and are part of the environment.
    """
    component, train = parts.recipe.dataset.component, parts.recipe.train
    places = {name: None for name in type(component).model_fields if isinstance(getattr(component, name), Path)}
    dataset = parts.recipe.dataset.model_copy(update={"component": component.model_copy(update=places)})
    length = {"max_minutes": None, "micro_batch": None, "steps": train.steps if train.decay == "cosine" else 1}
    plain = {"name": "x", "description": "", "sweep": None, "dataset": dataset, "train": train.model_copy(update=length)}
    return hashlib.sha256(dumps(parts.recipe.model_copy(update=plain)).encode()).hexdigest()


def environment(parts: Parts) -> dict[str, str]:
    """Everything besides the recipe that determines numbers, as text by name."""
    components = {f"{origin.distribution}:{origin.version}": origin.sha256 for origin in origins_of(parts.recipe)}
    micro_batch = parts.recipe.train.micro_batch
    facts = {
        "data": parts.train.provenance.fingerprint,
        "components": _digest(components),
        "workbench": _own_code(),
        "device": "CPU" if parts.device.type == "cpu" else describe_device(parts.device),
        "processor": _digest(cpu_id()) + f" {torch.backends.cpu.get_cpu_capability()}",
        "threads": str(torch.get_num_threads()),
        "compute": parts.compute.describe() + ("" if micro_batch is None else f", micro-batches of {micro_batch}"),
        "python": platform.python_version(),
    }
    return facts | {package: distribution(package).version for package in ("torch", "numpy")}


def agreement(before: Mapping[str, str], now: Mapping[str, str]) -> Agreement:
    """How far a computation in the environment `now` continues one in `before`; both may also hold "recipe"."""
    inputs, rounding = (_differences(names, before, now) for names in (_INPUTS, _ROUNDING))
    if inputs:
        return Agreement("statistical", (*inputs, *rounding))
    if now.get("device") != "CPU":
        rounding.append("the order of summation on a GPU is not fixed")
    return Agreement("inputs" if rounding else "bit", tuple(rounding))


def compare_environment(checkpoint: Checkpoint, parts: Parts) -> Agreement:
    """How far a run that is resumed from a checkpoint with these parts agrees with one that was never interrupted."""
    if checkpoint.manifest is None:
        return Agreement("statistical", ("its checkpoint, of schema 1, does not record its environment",))
    before = {"recipe": checkpoint.manifest.recipe, **checkpoint.manifest.environment}
    return agreement(before, {"recipe": recipe_hash(parts), **environment(parts)})


def _differences(names: Mapping[str, str], before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    lines = []
    for key, name in names.items():
        old, new = before.get(key), now.get(key)
        if old != new:
            short = len(str(old)) + len(str(new)) < 100 and key not in (*_INPUTS, "processor")
            lines.append(f"{name} ({old} -> {new})" if short else f"{name} changed")
    return lines


@functools.cache
def _own_code() -> str:
    """A hash of this package's source: the version does not change while a source tree is edited."""
    root = Path(__file__).parents[1]
    return _digest({path.relative_to(root).as_posix(): _digest(path.read_text()) for path in root.rglob("*.py")})


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
