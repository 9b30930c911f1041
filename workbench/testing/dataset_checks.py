"""The checks for datasets."""

from __future__ import annotations

import atexit
import functools
import pickle
import shutil
import tempfile
from pathlib import Path

import torch

from workbench.interfaces import Dataset, Examples, Resources, Split
from workbench.testing.checking import NotConforming, check_of, require

INSPECTED = 12
SPLITS: tuple[Split, ...] = ("train", "test")


@functools.lru_cache(maxsize=2)
def _loaded(dataset: Dataset) -> dict[Split, Examples]:
    """Both splits, loaded once for all checks: loading may take a while."""
    return _load(dataset)


def _load(dataset: Dataset) -> dict[Split, Examples]:
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # examples may be mapped from files in it
    return {split: dataset.load(split, Resources(Path(folder))) for split in SPLITS}


def _indices(examples: Examples) -> list[int]:
    count = min(INSPECTED, len(examples))
    return [i * (len(examples) - 1) // max(count - 1, 1) for i in range(count)]


@check_of("datasets")
def description(dataset: Dataset) -> None:
    """In both splits, the examples have the shape, classes and captions of describe(), and at most the number of count_examples()."""
    spec = dataset.describe()
    for split, examples in _loaded(dataset).items():
        require(len(examples) > 0, f"the {split} split is empty")
        count = dataset.count_examples(split)
        require(
            count is None or count >= len(examples),
            f"the {split} split has {len(examples)} examples, and count_examples() is {count}",
        )
        for i in _indices(examples):
            example, which = examples[i], f"{split}[{i}]"
            size = tuple(example.image.shape)
            require(size == spec.shape, f"{which} is {list(size)}, and describe() gives {list(spec.shape)}")
            require(example.image.dtype == torch.float32, f"{which} is {example.image.dtype} and must be float32")
            valid = example.label in range(len(spec.classes)) if spec.classes else example.label is None
            require(valid, f"{which} has label {example.label!r}, and describe() gives {len(spec.classes)} classes")
            agrees = (example.caption is not None) == spec.captions
            require(agrees, f"{which} has caption {example.caption!r}, and describe() gives captions = {spec.captions}")


@check_of("datasets")
def value_range(dataset: Dataset) -> None:
    """Images lie in [-1, 1], not in [0, 1] or [0, 255], and batches equal single examples."""
    for split, examples in _loaded(dataset).items():
        chosen = _indices(examples)
        images = examples.images(chosen)
        low, high = float(images.min()), float(images.max())
        require(low >= -1.0 and high <= 1.0, f"{split} has values from {low:g} to {high:g}")
        require(low < -0.02, f"no value of {split} is below {low:g}: scale [0, 1] to [-1, 1]")
        single = torch.stack([examples[i].image for i in chosen])
        require(torch.equal(images, single), f"images({chosen}) of {split} differ from the single examples")


@check_of("datasets")
def determinism(dataset: Dataset) -> None:
    """Loading twice gives the same images and fingerprints; the two splits differ."""
    first, second = _loaded(dataset), _load(dataset)
    for split in SPLITS:
        a, b = first[split], second[split]
        require(a.provenance.fingerprint == b.provenance.fingerprint, f"the fingerprint of {split} changes from load to load")
        require(torch.equal(a.images(_indices(a)), b.images(_indices(b))), f"the images of {split} change from load to load")
    same = first["train"].provenance.fingerprint == first["test"].provenance.fingerprint
    require(not same, "train and test have the same fingerprint")


@check_of("datasets")
def pickles(dataset: Dataset) -> None:
    """Loaded examples can be pickled, as data workers require."""
    examples = _loaded(dataset)["train"]
    try:
        again: Examples = pickle.loads(pickle.dumps(examples))  # noqa: S301 - bytes that this line pickled
    except Exception as error:  # pickle passes on any exception of an object's methods
        raise NotConforming(f"loaded examples cannot be pickled: {error}") from error
    require(len(again) == len(examples) and torch.equal(again[0].image, examples[0].image), "the examples differ after pickling")


DATASET_CHECKS = (description, value_range, determinism, pickles)
