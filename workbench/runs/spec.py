"""The spec of a run, stored in its folder: shape and classes of its data, size and fingerprint of each split."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from workbench.errors import CheckpointError, DataError, StorageError
from workbench.files import write_json
from workbench.interfaces import Examples, Resources, SampleSpec
from workbench.model import Parts
from workbench.recipe import Recipe, load_stored
from workbench.runs.folder import RunFolder
from workbench.training import Manifest, newest_folder

SCHEMA = 1


@dataclass(frozen=True)
class SplitRecord:
    """The examples of one split: their number, the hash of their content, and their origin."""

    size: int
    fingerprint: str
    source: str
    location: str

    @classmethod
    def of(cls, examples: Examples) -> SplitRecord:
        """The record of loaded examples."""
        provenance = examples.provenance
        return cls(len(examples), provenance.fingerprint, provenance.source, provenance.location)

    def change(self, split: str, now: SplitRecord) -> list[str]:
        """One line if the examples have changed, else none."""
        if now.fingerprint == self.fingerprint:
            return []
        return [
            f"the {split} data have changed since the run was made: "
            f"{self.size:,} images in {self.location} then, {now.size:,} in {now.location} now"
        ]


@dataclass(frozen=True)
class RunSpec:
    """The data that a run was trained on. A label is a position in `sample.classes`."""

    sample: SampleSpec
    train: SplitRecord
    test: SplitRecord
    earlier: tuple[str, ...] = ()  # fingerprints of the training data before the run was resumed on changed ones

    @classmethod
    def of(cls, sample: SampleSpec, train: Examples, test: Examples) -> RunSpec:
        """The spec of loaded data."""
        return cls(sample, SplitRecord.of(train), SplitRecord.of(test))

    @classmethod
    def read(cls, run: RunFolder) -> RunSpec | None:
        """The spec in a run's folder, None if there is none; CheckpointError if it cannot be read."""
        try:
            stored = json.loads(run.spec.read_text())
            if stored["schema"] != SCHEMA:
                raise CheckpointError(f"{run.spec}: written by another version of the workbench (this one reads schema {SCHEMA})")
            channels, height, width = stored["shape"]
            sample = SampleSpec(channels, height, width, tuple(stored["classes"]), stored["captions"])
            return cls(sample, SplitRecord(**stored["train"]), SplitRecord(**stored["test"]), tuple(stored["earlier"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{run.spec} is damaged ({error}): delete it, and it will be restored from the data") from error

    def write(self, run: RunFolder) -> None:
        """Store the spec in a run's folder."""
        write_json(run.spec, self._table())

    def changes(self, now: RunSpec) -> list[str]:
        """One line for each split whose examples have changed."""
        return [*self.train.change("training", now.train), *self.test.change("test", now.test)]

    def changed_meaning(self, now: SampleSpec, *, conditional: bool) -> str | None:
        """The first change of the images' shape or of the class that a label stands for; None if there is none."""
        if now.shape != self.sample.shape:
            return f"the images were {list(self.sample.shape)} and are {list(now.shape)} now"
        if conditional and now.classes != self.sample.classes:
            pairs = enumerate(zip_longest(self.sample.classes, now.classes))
            label, (before, after) = next((label, pair) for label, pair in pairs if pair[0] != pair[1])
            return f"label {label} meant {_class(before)} and means {_class(after)} now"
        return None

    def check_meaning(self, run: RunFolder, now: SampleSpec, *, conditional: bool) -> None:
        """Raise DataError if shape or classes of the data have changed since the run was made."""
        if (change := self.changed_meaning(now, conditional=conditional)) is not None:
            raise DataError(
                f"the data of run {run.id} in {self.train.location} have changed since it was made: {change}. "
                f"Restore them, or train a new run"
            )

    def _table(self) -> dict[str, Any]:
        sample = {"shape": list(self.sample.shape), "classes": list(self.sample.classes), "captions": self.sample.captions}
        return {"schema": SCHEMA, **sample, "train": asdict(self.train), "test": asdict(self.test), "earlier": list(self.earlier)}


def read_run(
    run: RunFolder,
    cache: Path,
    overrides: Sequence[str] = (),
    *,
    warn: Callable[[str], None] = lambda _: None,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> tuple[Recipe, RunSpec]:
    """Read the recipe of a run and the spec of its data, without reading the data.

    The data are read only if the run was made before specs were stored; the spec is then stored. Raises DataError if they cannot be read. If they
    are not the data that the run was trained on, `warn` receives a line and nothing is stored.
    """
    spec = RunSpec.read(run) or _spec_from_data(run, cache, warn, progress)
    return load_stored(run.recipe, spec.sample, overrides), spec


def record_data(run: RunFolder, parts: Parts) -> list[str]:
    """Store the spec of the data when a run starts or is resumed; return one line for each change of the data.

    Raises DataError if shape or classes have changed since the run was made.
    """
    now, before = RunSpec.of(parts.spec, parts.train, parts.test), RunSpec.read(run)
    if before is None:
        now.write(run)
        return _changed_before(run, now)
    before.check_meaning(run, parts.spec, conditional=parts.recipe.train.condition)
    lines = before.changes(now)
    if lines:
        replace(now, earlier=(*before.earlier, before.train.fingerprint)).write(run)
    return lines


def changed_data(run: RunFolder, parts: Parts) -> list[str]:
    """One line for each difference between the data of a repeated run and those of the run itself."""
    now, before = RunSpec.of(parts.spec, parts.train, parts.test), RunSpec.read(run)
    if before is None:
        return _changed_before(run, now)
    meaning = before.changed_meaning(parts.spec, conditional=parts.recipe.train.condition)
    return [*([] if meaning is None else [f"classes or shape of the data have changed: {meaning}"]), *before.changes(now)]


def _spec_from_data(
    run: RunFolder, cache: Path, warn: Callable[[str], None], progress: Callable[[str, int, int], None]
) -> RunSpec:
    dataset, resources = load_stored(run.recipe, None).dataset.component, Resources(cache, progress)
    try:
        spec = RunSpec.of(dataset.describe(), dataset.load("train", resources), dataset.load("test", resources))
    except DataError as error:
        raise DataError(
            f"run {run.id} was made before runs stored the spec of their data, so the data are needed once: {error}"
        ) from error
    changed = _changed_before(run, spec)
    for line in changed:
        warn(line)
    if not changed:
        with suppress(StorageError):  # a read-only folder is not an error
            spec.write(run)
    return spec


def _changed_before(run: RunFolder, now: RunSpec) -> list[str]:
    """One line if a run without a spec has a checkpoint of other data."""
    folder = newest_folder(run.checkpoints)
    with suppress(CheckpointError):  # a damaged checkpoint is reported when it is loaded
        manifest = None if folder is None else Manifest.read(folder)
        fingerprint = None if manifest is None else manifest.environment.get("data")
        if fingerprint not in (None, now.train.fingerprint):
            return [
                f"the training data in {now.train.location} have changed since run {run.id} was trained, and the run did not store "
                f"its classes: labels may stand for other classes"
            ]
    return []


def _class(name: str | None) -> str:
    return "no class" if name is None else repr(name)
