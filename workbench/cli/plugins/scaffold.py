"""A new package from templates: whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from string import Template
from typing import Literal

from workbench import __version__
from workbench.cli.plugins.names import Names
from workbench.errors import ScaffoldError

NewKind = Literal["sampler", "schedule", "denoiser", "dataset", "features"]
GROUP = {"sampler": "samplers", "schedule": "schedules", "denoiser": "denoisers", "dataset": "datasets", "features": "features"}


@dataclass(frozen=True)
class Made:
    """What was made."""

    folder: Path
    source: Path  # the component's file
    kind: str
    component: str


def scaffold(kind: NewKind, name: str, into: Path) -> Made:
    """Write the package `name` as a folder in `into`; ScaffoldError where the name is not free or the folder cannot be made."""
    names = Names.of(name)
    folder = into / names.distribution
    if folder.exists():
        raise ScaffoldError(f"{folder} exists already: choose another name, or another place with --into")
    if not into.is_dir():
        raise ScaffoldError(f"--into: no folder '{into}' (looked in {into.absolute().parent})")
    try:
        beside = Path(tempfile.mkdtemp(prefix=f".{names.distribution}.", dir=into))
        try:
            for path, text in rendered(kind, names).items():
                (beside / path).parent.mkdir(parents=True, exist_ok=True)
                (beside / path).write_text(text, encoding="utf-8", newline="\n")
            beside.chmod(0o755)
            os.rename(beside, folder)  # noqa: PTH104 - a folder, in one move
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise ScaffoldError(f"{folder} cannot be made: {error.strerror or error}") from error
    return Made(folder, folder / "src" / names.module / f"{kind}.py", _told(kind), names.module)


def rendered(kind: NewKind, names: Names) -> dict[PurePosixPath, str]:
    """The files of a package by their place in it."""
    values = {
        "distribution": names.distribution,
        "module": names.module,
        "component": names.module,
        "class_name": names.class_name,
        "kind": kind,
        "group": GROUP[kind],
        "range": _range(),
    }
    found = {}
    for top in ("common", kind):
        for place, text in _templates(files("workbench.cli.plugins") / "templates" / top):
            name = place.name.removesuffix(".tmpl").replace("dot-", ".", 1).replace("MODULE", names.module)
            folder = [part.replace("MODULE", names.module) for part in place.parent.parts]
            found[PurePosixPath(*folder, name)] = Template(text).substitute(values)
    return found


def _templates(folder: Traversable, place: PurePosixPath = PurePosixPath()) -> Iterator[tuple[PurePosixPath, str]]:
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        if each.is_dir():
            yield from _templates(each, place / each.name)
        elif each.name.endswith(".tmpl"):
            yield place / each.name, each.read_text(encoding="utf-8")


def _range() -> str:
    """This minor version, since before 1.0 the next one may change the interface."""
    major, minor = (int(part) for part in __version__.split(".")[:2])
    return f">={major}.{minor},<{major}.{minor + 1}" if major == 0 else f">={major}.{minor},<{major + 1}"


def _told(kind: NewKind) -> str:
    return "feature extractor" if kind == "features" else kind
