"""Puts every damaged and odd kind of image file into a folder of photographs and counts the results: python tests/chaos/pictures.py"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np
import torch  # noqa: F401 - here, so that its memory is not counted as that of the images
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
import picture_damage  # noqa: F401 - registers its kinds, as the next two do
import picture_looks  # noqa: F401
import picture_places  # noqa: F401
from picture_kinds import BOMBS, KINDS, Kind, shown

from wb_datasets.folder import Folder
from wb_datasets.listing import printable
from workbench.errors import WorkbenchError
from workbench.interfaces import DataError, Resources

__all__ = ["BOMBS", "KINDS", "outcome"]

SIZE = 16
GREEN = (0, 255, 0)  # the good image next to it; no kind looks like it


def outcome(kind: Kind, folder: Path) -> str:
    """ "loaded", "named", or the problem: with the file next to a good one, with bad files skipped, then with an error for them."""
    root = folder / "pictures"
    (root / "train").mkdir(parents=True)
    Image.new("RGB", (20, 20), GREEN).save(root / "train" / "good.png")
    path = root / "train" / os.fsdecode(kind.name)
    path.parent.mkdir(exist_ok=True)
    kind.put(path)
    try:
        return _outcome(kind, root, Resources(folder / "cache"))
    except WorkbenchError as error:
        return f"wrong: {type(error).__name__}: {error}"
    except Exception:
        return f"traceback: {traceback.format_exc()}"


def _outcome(kind: Kind, root: Path, resources: Resources) -> str:
    skipping, stopping = (Folder(root=str(root), image_size=SIZE, on_bad_image=action) for action in ("skip", "error"))
    examples = skipping.load("train", resources)
    pixels = ((examples.images(range(len(examples))) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    others = [image for image in pixels if not (image == GREEN).all()]
    if len(pixels) - len(others) != 1:
        return "wrong: the good image is missing"
    if others:
        if kind.shows is None:
            return "wrong: loaded, although it has no pixels"
        off = np.abs(others[0].astype(int) - shown(kind.shows, SIZE).astype(int)).max()
        return "loaded" if off <= kind.tolerance else f"wrong: pixels are off by {off}"
    notes = examples.provenance.notes
    result = _check_lines(notes, kind)
    if result == "named" and notes[0].startswith("skipped"):
        try:
            stopping.load("train", resources)
        except DataError as error:
            return _check_lines(str(error).splitlines(), kind)
        return "wrong: skipped, but no error where it should be one"
    return result


def _check_lines(lines: tuple[str, ...] | list[str], kind: Kind) -> str:
    name = printable(os.fsdecode(kind.name))
    matches = [line for line in lines if name in line]
    if len(matches) != 1 or not matches[0].isprintable():
        return f"wrong: not named exactly once in one line: {lines}"
    return "named" if kind.reason and re.search(kind.reason, matches[0]) else f"wrong: another reason: {matches[0]}"


def main() -> int:
    """Print a summary; 0 if every kind was loaded correctly or named with its reason."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    results = {}
    for name, kind in KINDS.items():
        with tempfile.TemporaryDirectory() as folder:
            results[name] = outcome(kind, Path(folder))
    count = Counter(result.partition(":")[0] for result in results.values())
    summary = {
        "kinds": len(results),
        "loaded right": count["loaded"],
        "named in an error": count["named"],
        "wrong": count["wrong"],
        "tracebacks": count["traceback"],
        "seconds": round(time.perf_counter() - started, 1),
        "memory over the start, MiB": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024,
    }
    print(json.dumps(summary, indent=2))
    for name, result in results.items():
        if result not in ("loaded", "named"):
            print(f"{name}: {result}")
    return 1 if count["wrong"] or count["traceback"] else 0


if __name__ == "__main__":
    sys.exit(main())
