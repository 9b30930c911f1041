"""What a dataset has to do."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from workbench.interfaces import Dataset, Examples, Resources
from workbench.testing.checking import check_of, require

__all__ = ["DATASET_CHECKS"]

LOOKED_AT = 12


@contextmanager
def _loaded(dataset: Dataset) -> Iterator[dict[str, Examples]]:
    with tempfile.TemporaryDirectory() as folder:
        yield {split: dataset.load(split, Resources(Path(folder))) for split in ("train", "test")}


def _indices(examples: Examples) -> list[int]:
    count = min(LOOKED_AT, len(examples))
    return [i * (len(examples) - 1) // max(count - 1, 1) for i in range(count)]


@check_of("datasets")
def description(dataset: Dataset) -> None:
    """What it describes is what it loads: shape, classes, captions, in both splits."""
    spec = dataset.describe()
    with _loaded(dataset) as splits:
        for split, examples in splits.items():
            require(len(examples) > 0, f"the {split} split is empty")
            for i in _indices(examples):
                example = examples[i]
                seen = tuple(example.image.shape)
                require(seen == spec.shape, f"{split}[{i}] is {list(seen)} and described as {list(spec.shape)}")
                require(example.image.dtype == torch.float32, f"{split}[{i}] is {example.image.dtype} and must be float32")
                known = example.label is not None and 0 <= example.label < len(spec.classes)
                require(
                    known == bool(spec.classes),
                    f"{split}[{i}] has label {example.label!r}, and {len(spec.classes)} classes are described",
                )
                require(
                    (example.caption is not None) == spec.captions,
                    f"{split}[{i}] has caption {example.caption!r}, described: {spec.captions}",
                )


@check_of("datasets")
def value_range(dataset: Dataset) -> None:
    """Images lie in [-1, 1], not in [0, 1] or [0, 255], and batches equal single examples."""
    with _loaded(dataset) as splits:
        for split, examples in splits.items():
            chosen = _indices(examples)
            images = examples.images(chosen)
            low, high = float(images.min()), float(images.max())
            require(low >= -1.0 and high <= 1.0, f"{split} has values from {low:g} to {high:g}")
            require(low < -0.02, f"no value of {split} is below {low:g}: [0, 1] has to be stretched to [-1, 1]")
            require(
                torch.equal(images, torch.stack([examples[i].image for i in chosen])),
                f"images({chosen}) of {split} are not its examples",
            )


@check_of("datasets")
def determinism(dataset: Dataset) -> None:
    """Loaded again it is the same, fingerprint included; the two splits differ."""
    with _loaded(dataset) as first, _loaded(dataset) as second:
        for split in first:
            a, b = first[split], second[split]
            require(a.provenance.fingerprint == b.provenance.fingerprint, f"the fingerprint of {split} changes from load to load")
            require(torch.equal(a.images(_indices(a)), b.images(_indices(b))), f"the images of {split} change from load to load")
        same = first["train"].provenance.fingerprint == first["test"].provenance.fingerprint
        require(not same, "train and test have the same fingerprint")


@check_of("datasets")
def pickles(dataset: Dataset) -> None:
    """Loaded examples travel to data workers."""
    with _loaded(dataset) as splits:
        examples = splits["train"]
        again: Examples = pickle.loads(pickle.dumps(examples))  # noqa: S301 - of what was pickled a moment ago
        require(len(again) == len(examples) and torch.equal(again[0].image, examples[0].image), "unpickled, the examples differ")


DATASET_CHECKS = (description, value_range, determinism, pickles)
