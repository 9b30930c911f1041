"""Any folder of images."""

from __future__ import annotations

from typing import final

from pydantic import Field

from wb_datasets import images, listing
from workbench.interfaces import Dataset, Examples, LocalPath, Resources, SampleSpec, Split


@final
class Folder(Dataset):
    """Images under a folder, found recursively; the folders of the first level are the classes.

    `root`/train and `root`/test are the splits if they exist; else a fixed tenth of the images, chosen by name, is the test split.
    Images are decoded once: upright, centre square, antialiased to `image_size`. Links are followed. Folders and files that other programs
    store next to images (`__MACOSX`, `@eaDir`, `._*`, `lost+found`, hidden folders and the like) are left out.
    """

    root: LocalPath = Field(description="the folder of the images")
    image_size: int = Field(32, ge=8, le=1024, description="side of the square images, in pixels")
    on_bad_image: images.OnBadImage = Field(
        "error", description="damaged images: stop with an error that names them, or skip them with a warning"
    )

    def describe(self) -> SampleSpec:
        """Shape and classes; DataError if there is no image."""
        return listing.describe(listing.existing_folder(self.root), self.image_size)

    def count_examples(self, split: Split) -> int:
        """The number of image files of a split, damaged ones included."""
        return len(listing.list_images(listing.existing_folder(self.root), split).files)

    def load(self, split: Split, resources: Resources) -> Examples:
        """Load the images of a split; they are decoded once and then read from the cache."""
        files = listing.list_images(listing.existing_folder(self.root), split)
        return images.load(files, self.image_size, self.on_bad_image, "image folder", resources)
