"""The contenders of the comparison at equal time: each trains step by step and draws images."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from benchmarks import networks
from benchmarks.data import inception_weights
from benchmarks.peers import hugging_face
from workbench.evaluation import Reference, extract
from workbench.interfaces import Examples, FeatureExtractor
from workbench.metrics import frechet_distance, kernel_distance
from workbench.model import Parts, assemble
from workbench.progress import Stop
from workbench.recipe import SamplerSlot, load, slot_of
from workbench.sampling import Generator, draw_labels
from workbench.training import latest_checkpoint, load_average, train

CPU = torch.device("cpu")
TIMED = 5  # steps for measuring a peer's speed


def parts_of(recipe: str, overrides: Sequence[str], photographs: Path, size: int, minutes: float, cache: Path) -> Parts:
    """The parts of a recipe, on these photographs and for these minutes, without its evaluations."""
    settings = [
        f"dataset.root={str(photographs)!r}",
        f"dataset.image_size={size}",
        f"train.max_minutes={minutes}",
        "train.log_every=1",
        "train.validate_every=0",
        "train.checkpoint_every=100000000",
        "evaluate.every=0",
        "evaluate.at_start=false",
        *overrides,
    ]
    return assemble(load(Path(recipe), settings), CPU, cache)


class Ours:
    """A run of a recipe, step by step."""

    def __init__(self, parts: Parts, stack: ExitStack) -> None:
        self._parts, self._folder = parts, Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self._stop = Stop()
        self._stream = train(parts, self._folder, stop=self._stop)
        stack.callback(self._stream.close)  # type: ignore[attr-defined]
        examples = parts.train
        self._labels = examples.labels(range(len(examples))) if parts.recipe.train.condition else None
        self._drawn = 0
        self._generator: Generator | None = None

    def step(self) -> bool:
        """One optimizer step; False after the recipe's last step or minute, after which it writes a checkpoint."""
        return not next(self._stream).checkpoint

    def images(self, count: int, steps: int) -> Tensor:
        """The next images [n, 3, h, w] in [-1, 1]."""
        index = range(self._drawn, self._drawn + count)
        self._drawn += count
        slot: SamplerSlot = slot_of("samplers", {"use": "ddim", "steps": steps}, {})  # type: ignore[assignment]
        recipe = self._parts.recipe
        return self._averaged().draw(slot, index, recipe.seed, draw_labels(self._labels, recipe.seed, index)).images

    def _averaged(self) -> Generator:
        if self._generator is None:
            self._stop.request()
            while (checkpoint := latest_checkpoint(self._folder)) is None:
                next(self._stream)
            load_average(checkpoint, self._parts.network)
            self._generator = Generator.of(self._parts, self._parts.network)
        return self._generator


def diffusers(examples: Examples, batch: int, minutes: float) -> hugging_face.Trainer:
    """Their example on the network of 6.47 million parameters, in the fastest setting on this machine; its cosine schedule ends with the minutes."""
    settings = (hugging_face.FP32, hugging_face.CHANNELS_LAST, hugging_face.BF16)
    pace, setting = min(((_pace(examples, batch, setting), setting) for setting in settings), key=lambda pair: pair[0])
    return hugging_face.Trainer(networks.hugging_face(), examples, batch, setting, steps=int(60.0 * minutes / pace))


def distances(images: Tensor, parts: Parts, real: int) -> dict[str, float]:
    """Fréchet and kernel distances of uint8 images [n, 3, h, w] with our extractors; those without weights are left out."""
    reference = Reference.of(parts.train, real, parts.cache, CPU)
    numbers: dict[str, float] = {}
    for extractor in _extractors():
        function = extractor.build(CPU)
        truth, drawn = reference.features(extractor, function), extract(function, images, CPU)
        kid, error = kernel_distance(truth, drawn)
        numbers[extractor.metric("fd")] = frechet_distance(truth, drawn)
        numbers[extractor.metric("kid")] = kid
        numbers[f"{extractor.metric('kid')}_std_error"] = error
    return numbers


def _extractors() -> list[FeatureExtractor]:
    from wb_features.efficientnet_lite0 import EfficientNetLite0
    from wb_features.inception import Inception

    extractors: list[FeatureExtractor] = [EfficientNetLite0()]
    if (weights := inception_weights()) is not None:
        extractors.append(Inception.model_validate({"dims": 768, "weights": str(weights)}))
    return extractors


def _pace(examples: Examples, batch: int, setting: hugging_face.Setting) -> float:
    """Seconds per step, after one warm-up step."""
    trainer = hugging_face.Trainer(networks.hugging_face(), examples, batch, setting, steps=1000)
    trainer.step()
    started = time.perf_counter()
    for _ in range(TIMED):
        trainer.step()
    return (time.perf_counter() - started) / TIMED
