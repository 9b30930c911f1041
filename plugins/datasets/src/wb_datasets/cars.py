"""Images of cars: drawn, or photographs from a folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, final

from pydantic import Field

from wb_datasets import images, listing, store
from wb_datasets.design import BODIES, VERSION, caption, design
from workbench.interfaces import DataError, Dataset, Examples, LocalPath, Provenance, Resources, SampleSpec, Split

DRAWN = {"train": range(8_000), "test": range(8_000, 9_000)}


@final
class Cars(Dataset):
    """Images of cars. Without `root`: drawn cars, 8,000 training and 1,000 test images with labels and captions.

    A drawn car is a function of (seed, index): body type (the label), colour, viewpoint, wheels, time of day and surroundings. With `root`:
    photographs, as torchvision lays out Stanford Cars (Krause et al. 2013), in class folders or in one flat folder.
    """

    root: LocalPath | None = Field(None, description="a folder of photographs; drawn cars if absent")
    image_size: int = Field(32, ge=16, le=256, description="side of the square images, in pixels")
    seed: int = Field(0, ge=0, lt=2**32, description="seed of the drawn cars")
    on_bad_image: images.OnBadImage = Field(
        "error", description="damaged photographs: stop with an error that names them, or skip them with a warning"
    )

    def describe(self) -> SampleSpec:
        """Shape and classes; DataError if there is no photograph."""
        size = self.image_size
        if self.root is None:
            return SampleSpec(3, size, size, BODIES, captions=True)
        root = listing.existing_folder(self.root)
        # The 196 class names of Stanford Cars are in a file that only `load` reads.
        return SampleSpec(3, size, size) if _stanford_base(root) else listing.describe(root, size)

    def count_examples(self, split: Split) -> int | None:
        """The number of drawn cars or of image files; None for Stanford Cars, whose lists only `load` reads."""
        if self.root is None:
            return len(DRAWN[split])
        root = listing.existing_folder(self.root)
        return None if _stanford_base(root) else len(listing.list_images(root, split).files)

    def load(self, split: Split, resources: Resources) -> Examples:
        """Load a split; images are drawn or decoded once and then read from the cache."""
        if self.root is None:
            return _draw_cars(self, split, resources)
        root = listing.existing_folder(self.root)
        files = _stanford_listing(root, split) if _stanford_base(root) else listing.list_images(root, split)
        return images.load(files, self.image_size, self.on_bad_image, "photographs", resources)


def _draw_cars(cars: Cars, split: Split, resources: Resources) -> Examples:
    indices = DRAWN[split]
    key = store.hash_settings(
        {"drawn cars": VERSION, "seed": cars.seed, "size": cars.image_size, "first": indices.start, "count": len(indices)}
    )

    def fill(add: store.AddImage) -> dict[str, Any]:
        from wb_datasets.painting import paint

        for row, index in enumerate(indices):
            add(paint(design(cars.seed, index), cars.image_size))
            if (row + 1) % 50 == 0 or row + 1 == len(indices):
                resources.progress(f"drawing cars ({split})", row + 1, len(indices))
        return {}

    size = cars.image_size
    pixels, _ = resources.array(key, (len(indices), size, size, 3), "uint8", fill, folder=store.FOLDER)
    labels = [BODIES.index(design(cars.seed, index).body) for index in indices]
    captions = partial(_caption, cars.seed, indices.start)
    return store.StoredExamples(pixels, labels, captions, Provenance("drawn cars", "built in", key))


def _caption(seed: int, first: int, row: int) -> str:
    return caption(design(seed, first + row))


def _stanford_base(root: Path) -> Path | None:
    """The folder that contains stanford_cars in torchvision's layout; None if there is none."""
    for base in (root, root.parent):
        if (base / "stanford_cars" / "devkit").is_dir() and root in (base, base / "stanford_cars"):
            return base
    return None


def _stanford_listing(root: Path, split: Split) -> listing.Listing:
    from torchvision.datasets import StanfordCars

    base = _stanford_base(root) or root
    try:
        data = StanfordCars(base, split=split, download=False)
    except (RuntimeError, OSError, KeyError, ValueError) as error:
        raise DataError(f"Stanford Cars in {base.absolute()} is incomplete: {error}") from error
    files = tuple(Path(path) for path, _ in data._samples)
    return listing.Listing(base / "stanford_cars", files, None, ())
