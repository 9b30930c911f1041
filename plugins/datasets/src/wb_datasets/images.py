"""Image files, decoded once per content and settings."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal

from wb_datasets import decoding, store
from wb_datasets.listing import Listing, printable
from workbench.interfaces import DataError, Provenance, Resources

OnBadImage = Literal["error", "skip"]
SHOWN = 5
MAX_BYTES = 2**30  # of a file, which is read at once


def load(listing: Listing, size: int, on_bad_image: OnBadImage, source: str, resources: Resources) -> store.StoredExamples:
    """Decode the files into the cache, or read them from there. DataError names the files that cannot be read, unless they are skipped."""
    digests = _hash_files(listing, resources)
    names = [path.relative_to(listing.root).as_posix() for path in listing.files]
    key = store.hash_settings(
        {
            "format": 2,
            "size": size,
            "bad": on_bad_image,
            "files": list(zip(names, digests, listing.labels or names, strict=True)),
            "refused": listing.refused,
        }
    )

    def fill(add: store.AddImage) -> dict[str, Any]:
        return _decode_files(listing, names, size, on_bad_image, add, resources)

    pixels, notes = resources.array(key, (len(names), size, size, 3), "uint8", fill, folder=store.FOLDER)
    labels = [listing.labels[i] for i in notes["kept"]] if listing.labels else None
    remarks = (*_empty_classes(listing.classes, labels or ()), *notes["skipped"], *listing.notes)
    return store.StoredExamples(pixels, labels, None, Provenance(source, printable(str(listing.root.absolute())), key, remarks))


def _empty_classes(classes: Sequence[str], labels: Collection[int]) -> list[str]:
    """One line that names the classes without images."""
    used = set(labels)
    empty = [name for label, name in enumerate(classes) if label not in used]
    if not empty:
        return []
    names = ", ".join(repr(name) for name in empty[:SHOWN]) + (f" and {len(empty) - SHOWN} more" if len(empty) > SHOWN else "")
    return [f"no image of class {names}" if len(empty) == 1 else f"no image of {len(empty)} classes: {names}"]


def _hash_files(listing: Listing, resources: Resources) -> list[str]:
    digests = []
    for done, path in enumerate(listing.files, start=1):
        try:
            digests.append(hashlib.blake2b(_read_bytes(path), digest_size=16).hexdigest())
        except OSError as error:
            digests.append(f"unreadable: {error.strerror}")
        except decoding.BadImage as error:
            digests.append(f"unreadable: {error}")
        if done % 500 == 0 or done == len(listing.files):
            resources.progress("reading images", done, len(listing.files))
    return digests


def _decode_files(
    listing: Listing, names: Sequence[str], size: int, on_bad_image: OnBadImage, add: store.AddImage, resources: Resources
) -> dict[str, Any]:
    kept: list[int] = []
    bad: list[str] = list(listing.refused)
    for i, (path, name) in enumerate(zip(listing.files, names, strict=True)):
        try:
            pixels = decoding.decode(_read_bytes(path), size)
        except OSError as error:
            bad.append(f"{printable(name)}: cannot be read ({error.strerror or error})")
        except decoding.BadImage as error:
            bad.append(f"{printable(name)}: {printable(str(error))}")
        else:  # outside the try block: an error in storing the image does not mean that the image is bad
            add(pixels)
            kept.append(i)
        if (i + 1) % 100 == 0 or i + 1 == len(names):
            resources.progress("decoding images", i + 1, len(names))
    if bad and (on_bad_image == "error" or not kept):
        shown = "".join(f"\n    {line}" for line in bad[:SHOWN]) + (
            f"\n    and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        )
        advice = "Remove or repair them, or skip them with on_bad_image = 'skip'." if kept else "None of the images can be used."
        count = len(names) + len(listing.refused)
        where = printable(str(listing.root.absolute()))
        raise DataError(f"{len(bad)} of {count} images under {where} cannot be used:{shown}\n    {advice}")
    return {"kept": kept, "skipped": [f"skipped {line}" for line in bad]}


def _read_bytes(path: Path) -> bytes:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise decoding.BadImage(f"absurdly large ({size / 2**30:,.1f} GiB)")
    return path.read_bytes()
