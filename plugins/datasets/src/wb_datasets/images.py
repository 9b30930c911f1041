"""Folders of image files: which there are, which split and class they belong to, and their pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from wb_datasets import decoding, store
from workbench.interfaces import DataError, Provenance, Resources, Split

OnBadImage = Literal["error", "skip"]
SHOWN = 5
TEST_SHARE = 0.1


@dataclass(frozen=True)
class Listing:
    """The image files of a split."""

    root: Path
    files: tuple[Path, ...]
    labels: tuple[int, ...] | None
    classes: tuple[str, ...]


def existing(root: str) -> Path:
    """The folder `root` stands for; DataError where there is none."""
    path = Path(root).expanduser()
    if not path.is_dir():
        what = "is a file, not a folder" if path.is_file() else ""
        looked = path.absolute()
        raise DataError(f"'{root}' {what}" if what else f"no folder '{root}' (looked in {looked})")
    return path


def class_names(root: Path) -> tuple[str, ...]:
    """The classes: folders directly under `root`, or under its train folder; none where images lie there directly."""
    base = root / "train" if (root / "train").is_dir() else root
    if any(path.suffix.lower() in decoding.SUFFIXES for path in base.iterdir()):
        return ()
    return tuple(sorted(path.name for path in base.iterdir() if path.is_dir() and not path.name.startswith(".")))


def list_images(root: Path, split: Split) -> Listing:
    """The images of a split: root/train and root/test where they exist, else a fixed tenth by file name is the test split."""
    classes = class_names(root)
    given = (root / "train").is_dir()
    base = root / split if given else root
    if given and not base.is_dir():  # a train folder alone: its own tenth is held out
        base, given = root / "train", False
    found = sorted(path for path in base.rglob("*") if path.suffix.lower() in decoding.SUFFIXES and path.is_file())
    if not found:
        raise DataError(f"no images under {base.absolute()} (looked for {', '.join(sorted(decoding.SUFFIXES))})")
    files = found if given else [path for path in found if _held_out(path.relative_to(base)) == (split == "test")]
    if not files:  # too few for a tenth
        files = found
    labels = tuple(classes.index(path.relative_to(base).parts[0]) for path in files) if classes else None
    return Listing(base, tuple(files), labels, classes)


def _held_out(name: Path) -> bool:
    digest = hashlib.blake2b(name.as_posix().encode(errors="surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "little") < TEST_SHARE * 2**64


def load(listing: Listing, size: int, on_bad_image: OnBadImage, source: str, resources: Resources) -> store.StoredExamples:
    """Decode once into the cache, then serve from there. DataError names what cannot be read, unless it is to be skipped."""
    digests = _digests(listing, resources)
    names = [path.relative_to(listing.root).as_posix() for path in listing.files]
    key = store.key_of(
        {"format": 1, "size": size, "bad": on_bad_image, "files": list(zip(names, digests, listing.labels or names, strict=True))}
    )
    folder = resources.cache / "images"

    def fill(array: Any) -> tuple[list[int], dict[str, Any]]:
        return _decode_all(listing, names, size, on_bad_image, array, resources)

    pixels, notes = store.stored(folder, key) or store.store(folder, key, len(names), size, fill)
    labels = [listing.labels[i] for i in notes["kept"]] if listing.labels else None
    provenance = Provenance(source, str(listing.root.absolute()), key, tuple(notes["skipped"]))
    return store.StoredExamples(pixels, labels, None, provenance)


def _digests(listing: Listing, resources: Resources) -> list[str]:
    digests = []
    for done, path in enumerate(listing.files, start=1):
        try:
            digests.append(hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest())
        except OSError as error:
            digests.append(f"unreadable: {error.strerror}")
        if done % 500 == 0 or done == len(listing.files):
            resources.progress("reading images", done, len(listing.files))
    return digests


def _decode_all(
    listing: Listing, names: Sequence[str], size: int, on_bad_image: OnBadImage, array: Any, resources: Resources
) -> tuple[list[int], dict[str, Any]]:
    kept: list[int] = []
    bad: list[str] = []
    for i, (path, name) in enumerate(zip(listing.files, names, strict=True)):
        try:
            array[i] = decoding.decode(path.read_bytes(), size)
            kept.append(i)
        except OSError as error:
            bad.append(f"{name}: cannot be read ({error.strerror or error})")
        except decoding.BadImage as error:
            bad.append(f"{name}: {error}")
        if (i + 1) % 100 == 0 or i + 1 == len(names):
            resources.progress("decoding images", i + 1, len(names))
    if bad and (on_bad_image == "error" or not kept):
        shown = "".join(f"\n    {each}" for each in bad[:SHOWN]) + (
            f"\n    and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        )
        advice = (
            "Remove or repair them, or leave them out with on_bad_image = 'skip'." if kept else "None of the images can be used."
        )
        raise DataError(f"{len(bad)} of {len(names)} images under {listing.root.absolute()} cannot be used:{shown}\n    {advice}")
    return kept, {"kept": kept, "skipped": [f"skipped {each}" for each in bad]}
