"""A new package from templates: written completely or not at all."""

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
from workbench.registry import Kind, singular

NewKind = Literal["sampler", "schedule", "denoiser", "dataset", "features", "launcher"]
GROUP: dict[NewKind, Kind] = {
    "sampler": "samplers",
    "schedule": "schedules",
    "denoiser": "denoisers",
    "dataset": "datasets",
    "features": "features",
    "launcher": "launchers",
}


@dataclass(frozen=True)
class NewPackage:
    """A package that has been written."""

    folder: Path
    source: Path  # the component's file
    kind: str
    component: str


def example_command(kind: NewKind, component: str) -> tuple[str, str]:
    """The command that tries a new component with the recipe next to it, and a remark."""
    if kind == "launcher":
        return f"wb sweep recipe.toml --launcher {component}", "needs a database: --storage postgresql://user@host/name"
    return "wb run recipe.toml", "a minute on two cores"


def write_package(kind: NewKind, name: str, into: Path) -> NewPackage:
    """Write the package `name` as a folder in `into`; ScaffoldError if the name is taken or the folder cannot be created."""
    names = Names.of(name)
    folder = into / names.distribution
    if folder.exists():
        raise ScaffoldError(f"{folder} already exists: choose another name, or another folder with --into")
    if not into.is_dir():
        raise ScaffoldError(f"--into: no folder '{into}' (looked in {into.absolute().parent})")
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{names.distribution}.", dir=into))
        try:
            for path, text in render_package(kind, names).items():
                (temporary / path).parent.mkdir(parents=True, exist_ok=True)
                (temporary / path).write_text(text, encoding="utf-8", newline="\n")
            temporary.chmod(0o755)
            os.rename(temporary, folder)  # noqa: PTH104 - a folder, in one move
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise ScaffoldError(f"{folder} cannot be created: {error.strerror or error}") from error
    return NewPackage(folder, folder / "src" / names.module / f"{kind}.py", singular(GROUP[kind]), names.module)


def render_package(kind: NewKind, names: Names) -> dict[PurePosixPath, str]:
    """The files of a package by their path in it."""
    command, remark = example_command(kind, names.module)
    values = {
        "distribution": names.distribution,
        "module": names.module,
        "component": names.module,
        "class_name": names.class_name,
        "kind": kind,
        "group": GROUP[kind],
        "range": _core_range(),
        "example": f"{command:<33} # {remark}",
    }
    rendered = {}
    for top in ("common", kind):
        for path, text in _templates(files("workbench.cli.plugins") / "templates" / top):
            name = path.name.removesuffix(".tmpl").replace("dot-", ".", 1).replace("MODULE", names.module)
            folder = [part.replace("MODULE", names.module) for part in path.parent.parts]
            rendered[PurePosixPath(*folder, name)] = Template(text).substitute(values)
    return rendered


def _templates(folder: Traversable, path: PurePosixPath = PurePosixPath()) -> Iterator[tuple[PurePosixPath, str]]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            yield from _templates(item, path / item.name)
        elif item.name.endswith(".tmpl"):
            yield path / item.name, item.read_text(encoding="utf-8")


def _core_range() -> str:
    """The range of this minor version: before 1.0 the next one may change the interface."""
    major, minor = (int(part) for part in __version__.split(".")[:2])
    return f">={major}.{minor},<{major}.{minor + 1}" if major == 0 else f">={major}.{minor},<{major + 1}"
