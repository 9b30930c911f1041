"""CIFAR-10."""

from __future__ import annotations

import hashlib
from typing import Literal, final

from pydantic import Field

from wb_datasets import listing
from wb_datasets.store import StoredExamples
from workbench.interfaces import DataError, Dataset, Examples, LocalPath, Provenance, Resources, SampleSpec, Split

ClassName = Literal["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
CLASSES: tuple[ClassName, ...] = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@final
class CIFAR10(Dataset):
    """60,000 images of 32 x 32 pixels in ten classes (Krizhevsky 2009), in the folder layout of torchvision.

    Download it with torchvision.datasets.CIFAR10(root, download=True). `only` selects one class, e.g. "automobile".
    """

    root: LocalPath = Field(description="the folder that holds cifar-10-batches-py")
    only: ClassName | None = Field(None, description="use this class only")

    def describe(self) -> SampleSpec:
        """3 x 32 x 32; ten classes, or none if only one is used."""
        if not (listing.existing_folder(self.root) / "cifar-10-batches-py").is_dir():
            raise DataError(
                f"no folder 'cifar-10-batches-py' in '{self.root}': download it with torchvision.datasets.CIFAR10(root, download=True)"
            )
        return SampleSpec(3, 32, 32, () if self.only else CLASSES)

    def count_examples(self, split: Split) -> int:
        """50,000 training and 10,000 test images; each class has a tenth of them."""
        return (50_000 if split == "train" else 10_000) // (len(CLASSES) if self.only else 1)

    def load(self, split: Split, resources: Resources) -> Examples:
        """Load the images of a split; torchvision checks their MD5 sums."""
        import numpy as np
        import torchvision

        self.describe()
        try:
            data = torchvision.datasets.CIFAR10(listing.existing_folder(self.root), train=split == "train", download=False)
        except (RuntimeError, OSError, EOFError, KeyError, ValueError) as error:
            raise DataError(f"CIFAR-10 in '{self.root}' is incomplete or damaged: {error}") from error
        pixels, labels = data.data, [int(label) for label in data.targets]
        if self.only:
            chosen = np.array(labels) == CLASSES.index(self.only)
            pixels = pixels[chosen]
        digest = hashlib.blake2b(np.ascontiguousarray(pixels).tobytes(), digest_size=16).hexdigest()
        source = f"CIFAR-10, {self.only} only" if self.only else "CIFAR-10"
        return StoredExamples(
            pixels,
            None if self.only else labels,
            None,
            Provenance(source, str(listing.existing_folder(self.root).absolute()), digest),
        )
