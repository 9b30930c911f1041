"""What the numbers of a run depend on beside its recipe, and how far two runs can therefore agree."""

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

# Which images, times and noise a step sees is a function of these; the rest decides how sums are rounded.
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
    "compute": "precision or fast path",
    "torch": "torch",
    "numpy": "numpy",
    "python": "Python",
}


@dataclass(frozen=True)
class Agreement:
    """How far two computations of one run agree, and the differences that keep them from more.

    "bit": every weight, number and picture is the same, bit for bit. "inputs": every step sees the same images, times and noise, and sums
    are rounded differently. "statistical": neither; the results are equally good, no more.
    """

    level: Determinism
    reasons: tuple[str, ...]

    def describe(self) -> str:
        """For people, in one line."""
        meaning = {
            "bit": "ends bit for bit where an uninterrupted run would",
            "inputs": "sees the same images and noise as an uninterrupted run, rounded differently",
            "statistical": "ends as good as an uninterrupted run, but elsewhere",
        }[self.level]
        return f"{self.level} ({meaning})" + (f": {'; '.join(self.reasons)}" if self.reasons else "")


def recipe_hash(parts: Parts) -> str:
    """SHA-256 of the resolved recipe as TOML, without what changes no number: names, texts, places, and when training ends.

    Data may be moved: their fingerprint is compared, see `environment`. Where the learning rate decays, it depends on the number of steps.
    """
    component, train = parts.recipe.dataset.component, parts.recipe.train
    places = {name: None for name in type(component).model_fields if isinstance(getattr(component, name), Path)}
    dataset = parts.recipe.dataset.model_copy(update={"component": component.model_copy(update=places)})
    length = {"max_minutes": None, "steps": train.steps if train.decay == "cosine" else 1}
    plain = {"name": "x", "description": "", "sweep": None, "dataset": dataset, "train": train.model_copy(update=length)}
    return hashlib.sha256(dumps(parts.recipe.model_copy(update=plain)).encode()).hexdigest()


def environment(parts: Parts) -> dict[str, str]:
    """Everything that decides numbers and is not the recipe, as text by name."""
    components = {f"{origin.distribution}:{origin.version}": origin.sha256 for origin in origins_of(parts.recipe)}
    told = {
        "data": parts.train.provenance.fingerprint,
        "components": _digest(components),
        "workbench": _own_code(),
        "device": "CPU" if parts.device.type == "cpu" else describe_device(parts.device),
        "processor": _digest(cpu_id()) + f" {torch.backends.cpu.get_cpu_capability()}",
        "threads": str(torch.get_num_threads()),
        "compute": parts.compute.describe(),
        "python": platform.python_version(),
    }
    return told | {package: distribution(package).version for package in ("torch", "numpy")}


def agreement(before: Mapping[str, str], now: Mapping[str, str]) -> Agreement:
    """How far a computation in the environment `now` continues one in `before`; both may also hold "recipe"."""
    inputs, rounding = (_differences(names, before, now) for names in (_INPUTS, _ROUNDING))
    if inputs:
        return Agreement("statistical", (*inputs, *rounding))
    if now.get("device") != "CPU":
        rounding.append("a GPU adds in no fixed order")
    return Agreement("inputs" if rounding else "bit", tuple(rounding))


def compare_environment(checkpoint: Checkpoint, parts: Parts) -> Agreement:
    """How far going on from a checkpoint with these parts agrees with never having stopped."""
    if checkpoint.manifest is None:
        return Agreement("statistical", ("its checkpoint, of schema 1, does not say what it was made with",))
    before = {"recipe": checkpoint.manifest.recipe, **checkpoint.manifest.environment}
    return agreement(before, {"recipe": recipe_hash(parts), **environment(parts)})


def _differences(names: Mapping[str, str], before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    found = []
    for key, told in names.items():
        old, new = before.get(key), now.get(key)
        if old != new:
            short = len(str(old)) + len(str(new)) < 100 and key not in (*_INPUTS, "processor")
            found.append(f"{told} ({old} -> {new})" if short else f"{told} changed")
    return found


@functools.cache
def _own_code() -> str:
    """A hash of the package this file is in: a version says nothing of a source tree that somebody works on."""
    root = Path(__file__).parents[1]
    return _digest({path.relative_to(root).as_posix(): _digest(path.read_text()) for path in root.rglob("*.py")})


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
