"""Our side: the timed code is the code of a run."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import tomli_w
import torch
from torch import Tensor

from benchmarks.data import Drawn, scratch
from benchmarks.networks import cost
from benchmarks.timing import Action
from workbench.evaluation import extract
from workbench.metrics import frechet_distance
from workbench.model import Parts, assemble
from workbench.recipe import Recipe, Slot, load
from workbench.sampling import Generator
from workbench.training import train

CPU = torch.device("cpu")


# The default settings, and float32 with torch's own operations as in the peers' loops.
BEST: Mapping[str, Any] = {"precision": "auto", "fast_path": "auto"}
PLAIN: Mapping[str, Any] = {"precision": "fp32", "fast_path": "off"}
IMAGES = 256


def training(
    stack: ExitStack,
    denoiser: Mapping[str, Any],
    size: int,
    batch: int,
    settings: Mapping[str, Any],
    device: torch.device = CPU,
    steps: int = 1,
) -> Action:
    """The next `steps` of the loop of `wb run`, including batches, loss, gradients, clipping, AdamW and average."""
    # The loop yields when it logs; everything else that it does is scheduled after the last step.
    quiet = {"steps": 100_000_000, "batch_size": batch, "log_every": steps, "validate_every": 0, "checkpoint_every": 100_000_000}
    parts = parts_of(denoiser, size, train_settings={**quiet, **settings}, device=device)
    stream = train(parts, Path(stack.enter_context(tempfile.TemporaryDirectory())))
    stack.callback(stream.close)  # type: ignore[attr-defined]
    return lambda: next(stream)


def sampling(
    denoiser: Mapping[str, Any],
    size: int,
    sampler: Mapping[str, Any],
    images: int,
    settings: Mapping[str, Any],
    device: torch.device = CPU,
) -> Action:
    """Images [n, c, h, w] of an untrained network, sampled as in an evaluation."""
    parts = parts_of(denoiser, size, sampler=sampler, train_settings=settings, device=device)
    generator = Generator.of(parts, parts.network)
    return lambda: generator.draw(parts.recipe.sampler, range(images), seed=0).images


def features(weights: Path, dims: int, images: Tensor, **settings: str) -> Action:
    """Inception features [n, dims] of uint8 images, extracted as in an evaluation; `settings` are fields of the extractor."""
    from wb_features.inception import Inception

    function = Inception.model_validate({"dims": dims, "weights": str(weights), **settings}).build(CPU)
    return lambda: extract(function, images, CPU)


def frechet(real: Tensor, generated: Tensor) -> Action:
    """The distance of features [n, d]."""
    return lambda: frechet_distance(real, generated)


def describe(denoiser: Mapping[str, Any], size: int, settings: Mapping[str, Any] = BEST) -> str:
    """The computation that the settings select for a network, and its size, as text."""
    parts = parts_of(denoiser, size, train_settings=settings)
    network = parts.network.train()
    return f"{parts.compute.describe()}; {cost(network, lambda x: network(x, torch.zeros(len(x)), None), size)}"


def parts_of(
    denoiser: Mapping[str, Any],
    size: int,
    *,
    sampler: Mapping[str, Any] | None = None,
    train_settings: Mapping[str, Any] | None = None,
    device: torch.device = CPU,
) -> Parts:
    """The parts of a run on drawn cars in memory."""
    recipe = _recipe(denoiser, sampler or {"use": "ddim"}, train_settings or {})
    examples = Slot[Any](use="cars", component=Drawn(count=IMAGES, size=size))
    return assemble(recipe.model_copy(update={"dataset": examples}), device, scratch())


def _recipe(denoiser: Mapping[str, Any], sampler: Mapping[str, Any], train_settings: Mapping[str, Any]) -> Recipe:
    table = {
        "name": "benchmark",
        "parameterization": "eps",
        "dataset": {"use": "cars"},  # any that needs no folder; it is replaced
        "schedule": {"use": "linear", "steps": 1000},
        "denoiser": dict(denoiser),
        "sampler": dict(sampler),
        "train": dict(train_settings),
        "evaluate": {"at_start": False, "features": []},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "benchmark.toml"
        path.write_text(tomli_w.dumps(table), encoding="utf-8")
        return load(path)
