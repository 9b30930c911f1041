"""Measure one trained network with many samplers: each combination is drawn and measured once, and stored in the run's folder."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.compute import DRAWING, describe_device, explain_out_of_memory
from workbench.errors import CheckpointError, CombinationError, DataError, DistanceError
from workbench.evaluation import LEAST, Distances, Reference, SampleSet, draw_samples, pictures
from workbench.files import atomic_write, write_json
from workbench.interfaces import Examples, FeatureExtractor, Resources
from workbench.progress import NEVER, Stop
from workbench.recipe import Recipe, SamplerSlot, Slot
from workbench.registry import component_origins
from workbench.runs.folder import RunFolder
from workbench.runs.spec import RunSpec, SplitRecord
from workbench.runs.weights import load_generator, newest_checkpoint
from workbench.sampling import SIZES, Generator, draw_labels, expected_nfe

SCHEMA = 1
SHOWN = 10  # images in a combination's row


@dataclass(frozen=True)
class Measurement:
    """How combinations are measured; equal for all that are compared."""

    samples: int
    seed: int
    real: int | None
    features: tuple[Slot[FeatureExtractor], ...]


@dataclass(frozen=True)
class CombinationResult:
    """Cost and distances to the data of one combination's images."""

    file: Path
    slot: SamplerSlot
    samples: int
    nfe: int  # network evaluations per image, counted
    seconds: float  # of sampling, for all images
    metrics: Mapping[str, float]
    cards: Mapping[str, Mapping[str, Any]]
    new: bool  # computed now, not read from its file

    @property
    def picture(self) -> Path:
        """The first images in a row; image i starts from the same noise in every combination."""
        return self.file.with_suffix(".png")

    @property
    def tracking(self) -> dict[str, str] | None:
        """The store and the run there in which an earlier version recorded the combination; now the run's journal has it."""
        place: dict[str, str] | None = json.loads(self.file.read_text()).get("tracking")
        return place


class CombinationEvaluator:
    """Draws and measures with the averaged weights of a run's newest checkpoint; raises Stopped once `stop` is requested.

    The data are read only if their features, or labels that are needed, are not cached; `warn` receives a line if they have changed since. Raises
    CheckpointError if there is no checkpoint, DataError if data that are needed are missing or have changed in shape or classes, WeightsError
    if an extractor's weights are missing, DistanceError if the data are a single image.
    """

    def __init__(
        self,
        run: RunFolder,
        recipe: Recipe,
        spec: RunSpec,
        measurement: Measurement,
        device: torch.device,
        cache: Path,
        progress: Callable[[str, int, int], None] = lambda *_: None,
        warn: Callable[[str], None] = lambda _: None,
        stop: Stop = NEVER,
    ) -> None:
        if not measurement.features:
            raise CombinationError("evaluate.features", "no feature extractor is set: name one (wb list features)")
        checkpoint = newest_checkpoint(run)
        self.step, self.samples = checkpoint.state.step, measurement.samples
        self._run, self._recipe, self._spec, self._measurement = run, recipe, spec, measurement
        self._device, self._stop = device, stop
        self._reference = self._cached_or_read(Resources(cache, progress), warn)
        if len(self._reference) < LEAST:
            raise DistanceError(
                f"distances need at least {LEAST} real images, and run {run.id} has {len(self._reference)} training image"
            )
        # Everything except the sampler that a number depends on; seconds depend on the device.
        self._key = {
            "schema": SCHEMA,
            "step": self.step,
            "weights_sha256": _sha256(checkpoint.folder / "ema.safetensors"),
            "samples": measurement.samples,
            "seed": measurement.seed,
            "real": len(self._reference),
            "data": self._reference.fingerprint,
            "extractors": [asdict(slot.component.on(device).card()) for slot in measurement.features],
            "device": device.type if device.type == "cpu" else describe_device(device),
        }

    def _cached_or_read(self, resources: Resources, warn: Callable[[str], None]) -> Reference:
        """The run's training data if everything needed is cached, else the data read now."""
        data, real, device = self._spec.train, self._measurement.real, self._device

        def read_unchanged() -> Examples:  # replaces a damaged file of the cache
            examples = self._read(resources)
            if examples.provenance.fingerprint != data.fingerprint:
                raise DataError(f"run {self._run.id}: cached features of its data are damaged, and the data have changed since")
            return examples

        cached = Reference(data.fingerprint, data.size, read_unchanged, real, resources.cache, device)
        needed = [slot.component.on(device) for slot in self._measurement.features]
        if all(map(cached.has_features, needed)) and (not self._recipe.train.condition or cached.has_labels()):
            return cached
        examples = self._read(resources)
        for line in data.change("training", SplitRecord.of(examples)):
            warn(line)
        return Reference.of(examples, real, resources.cache, device)

    def _read(self, resources: Resources) -> Examples:
        dataset = self._recipe.dataset.component
        try:
            now, examples = dataset.describe(), dataset.load("train", resources)
        except DataError as error:
            raise DataError(
                f"run {self._run.id}: features of its data are not in {resources.cache}, so the data are needed: {error}"
            ) from error
        self._spec.check_meaning(self._run, now, conditional=self._recipe.train.condition)
        return examples

    def cost(self, slot: SamplerSlot) -> int:
        """Network evaluations per image of a combination."""
        return expected_nfe(slot, self._recipe.schedule.component)

    def kept(self, slot: SamplerSlot) -> CombinationResult | None:
        """The stored result of a combination; None if there is none, or its file is damaged."""
        key = self._key_of(slot)
        file = self._file(key)
        try:
            stored = json.loads(file.read_text())
            if stored["key"] != key:
                return None
            return CombinationResult(
                file, slot, self._measurement.samples, stored["nfe"], stored["seconds"], stored["metrics"], stored["cards"], False
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def measure(self, slot: SamplerSlot, progress: Callable[[int], None] = lambda done: None) -> CombinationResult:
        """Draw, time and measure a combination, and store the result; `progress` receives the number of images drawn.

        Raises SamplingError if images are not finite.
        """
        samples = self._sample(slot, progress)
        metrics: dict[str, float] = {}
        cards: dict[str, Mapping[str, Any]] = {}
        for measure, features in zip(self._distances, samples.features, strict=True):
            values, cards_of_values = measure(features, slot, samples.nfe, self._measurement.seed)
            metrics, cards = metrics | values, cards | cards_of_values
        key = self._key_of(slot)
        result = CombinationResult(self._file(key), slot, samples.count, samples.nfe, samples.seconds, metrics, cards, True)
        with atomic_write(result.picture) as unfinished:
            pictures.grid(samples.images, SHOWN).save(unfinished)
        numbers = {"nfe": samples.nfe, "seconds": samples.seconds, "metrics": metrics, "cards": cards}
        write_json(result.file, {"key": key, **numbers, "device": describe_device(self._device)})
        return result

    def _sample(self, slot: SamplerSlot, progress: Callable[[int], None]) -> SampleSet:
        number, seed, size = self._measurement.samples, self._measurement.seed, self._recipe.evaluate.batch_size
        samples = SampleSet(number, keep=SHOWN)
        for batch in draw_samples(self._generator, slot, number, size, seed, self._labels, self._distances, self._stop):
            samples.add(batch)
            progress(samples.count)
        return samples

    def _labels(self, index: range) -> Tensor | None:
        return draw_labels(self._data_labels, self._measurement.seed, index)

    @functools.cached_property
    def _data_labels(self) -> Tensor | None:
        return self._reference.labels() if self._recipe.train.condition else None

    @functools.cached_property
    def _generator(self) -> Generator:
        generator, step = load_generator(self._run, self._recipe, self._spec.sample, self._device)
        if step != self.step:
            raise CheckpointError(f"run {self._run.id} was trained from step {self.step} to {step} meanwhile: evaluate it again")
        # The first batch on a device is slower than the others: without a warm-up, the first combination would be timed too slow.
        number = self._measurement.samples
        with explain_out_of_memory(DRAWING, min(self._recipe.evaluate.batch_size or SIZES[-1], number)):
            index = range(min(self._recipe.evaluate.batch_size or generator.batch_size(number), number))
            for _ in islice(generator.states(self._recipe.evaluation_sampler, index, 0, self._labels(index)), 2):
                pass
        return generator

    @functools.cached_property
    def _distances(self) -> list[Distances]:
        return [Distances(slot.component, self._reference, self._stop) for slot in self._measurement.features]

    def _key_of(self, slot: SamplerSlot) -> dict[str, Any]:
        # With the hash of the code, so that a changed sampler is measured again.
        (origin,) = component_origins([("samplers", slot.use)])
        return self._key | {"sampler": slot.table(), "code_sha256": origin.sha256}

    def _file(self, key: Mapping[str, Any]) -> Path:
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        return self._run.evaluations / f"{digest[:24]}.json"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
