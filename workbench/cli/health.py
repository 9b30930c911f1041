"""The checks of `wb doctor`, one finding after another."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Literal

import workbench as wb
from workbench.errors import RecipeError, WeightsError, WorkbenchError
from workbench.home import wb_home

LIBRARY_SECONDS = 180.0
LIBRARIES = {
    "torch": "import torch; print(torch.__version__, f'CUDA with {torch.cuda.device_count()} GPU' if torch.cuda.is_available() else 'CPU only')",
    "torchvision": "import torchvision; print(torchvision.__version__)",
    "mlflow": "from importlib.metadata import version; from mlflow.tracking import MlflowClient; print(version('mlflow'))",
}
State = Literal["ok", "note", "broken"]


@dataclass(frozen=True)
class HealthFinding:
    """One line of the report."""

    state: State
    about: str
    name: str
    message: str
    remedy: str = ""

    def to_dict(self) -> dict[str, str]:
        """Plain values."""
        return asdict(self)


def check_health(seconds: float) -> Iterator[HealthFinding]:
    """Check libraries, plugins, metadata, weights, recipes and the store; `seconds` is the time limit for importing a component."""
    wb.tracking.prepare_environment()  # MLflow is imported by a child, which inherits the settings
    with ThreadPoolExecutor(2) as pool:
        yield from pool.map(_library, LIBRARIES)
        plugins = wb.registry.find_plugins()
        sound: list[wb.registry.Entry] = []
        for plugin, imports in zip(plugins, pool.map(lambda plugin: _import_all(plugin, seconds), plugins), strict=True):
            sound += [entry for entry, error in imports if error is None]
            yield from _plugin(plugin, imports)
    for name in wb.registry.unknown_names():
        remedy = f"pip install {name}, or remove it from WB_PLUGINS"
        yield HealthFinding("note", "plugin", name, "named in WB_PLUGINS, and not installed", remedy)
    yield from _metadata()
    yield from _weights(sound)
    yield from _data()
    yield _store()


def _library(name: str) -> HealthFinding:
    remedy = f"pip install --force-reinstall {name}"
    try:
        # In a process of its own: a broken shared library may end it.
        done = subprocess.run(
            [sys.executable, "-P", "-c", LIBRARIES[name]], capture_output=True, text=True, timeout=LIBRARY_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return HealthFinding("broken", "library", name, f"is not imported after {LIBRARY_SECONDS:g} s", remedy)
    if done.returncode == 0:
        return HealthFinding("ok", "library", name, done.stdout.strip())
    lines = done.stderr.strip().splitlines()
    return HealthFinding("broken", "library", name, lines[-1] if lines else f"ends with exit code {done.returncode}", remedy)


def _import_all(plugin: wb.registry.Plugin, seconds: float) -> list[tuple[wb.registry.Entry, str | None]]:
    allowed = [entry for entry in plugin.entries if entry.allowed]
    return [(result.entry, result.error) for result in wb.registry.probe_component(allowed, seconds)]


def _plugin(plugin: wb.registry.Plugin, imports: list[tuple[wb.registry.Entry, str | None]]) -> Iterator[HealthFinding]:
    name = f"{plugin.name} {plugin.version}"
    broken = {error for _, error in imports if error is not None}
    for problem in plugin.problems:
        if problem.state == "wrong API range":
            continue  # the import reports it
        yield HealthFinding("note", "plugin", name, problem.state, problem.message)
    for entry, error in imports:
        if error is not None:
            remedy = f"pip install --upgrade {plugin.name}, report it to its author, or pip uninstall {plugin.name}"
            yield HealthFinding("broken", "plugin", name, f"{entry.kind}: {error}", "" if "pip install" in error else remedy)
    if not broken and imports:
        yield HealthFinding("ok", "plugin", name, ", ".join(entry.name for entry, _ in imports))


def _metadata() -> Iterator[HealthFinding]:
    """Metadata folders that hide a package or describe it twice."""
    for row in wb.registry.find_damaged():
        ours = row.name == wb.registry.CORE or wb.registry.is_first_party(row.name)
        remedy = f"delete {row.path}" if row.has_sound else f"pip install --force-reinstall {row.name}, or delete {row.path}"
        state: State = "broken" if ours and not row.has_sound else "note"
        message = f"{row.path} cannot be used: {row.reason}" + ("; another copy of the package is used" if row.has_sound else "")
        yield HealthFinding(state, "package", row.name, message, remedy)


def _weights(sound: list[wb.registry.Entry]) -> Iterator[HealthFinding]:
    """The weights of feature extractors: present, and the right files."""
    from pydantic import ValidationError

    for entry in sound:
        if entry.kind != "features":
            continue
        try:
            card = wb.registry.load("features", entry.qualified)().card()
        except ValidationError:
            continue  # it has fields without defaults, which only a recipe can set
        except WeightsError as error:
            yield HealthFinding("note", "weights", entry.name, str(error))
            continue
        except WorkbenchError as error:
            yield HealthFinding("broken", "weights", entry.name, str(error))
            continue
        yield HealthFinding("ok", "weights", entry.name, f"{card.dims} dimensions, sha256 {card.weights_sha256[:12]}")


def _data() -> Iterator[HealthFinding]:
    """The recipes in recipes/: usable as they are."""
    if not wb.registry.installed("datasets"):
        yield HealthFinding("broken", "data", "datasets", "none is installed", "pip install diffusion-workbench-datasets")
    for path in sorted((wb_home() / "recipes").glob("*.toml")):
        try:
            recipe = wb.recipe.load(path)
        except RecipeError as error:
            first = error.problems[0]
            message = f"{first.key}: {first.message}".splitlines()[0]
            yield HealthFinding("note", "recipe", path.name, message, f"wb validate {path}")
        else:
            yield HealthFinding("ok", "recipe", path.name, f"{recipe.dataset.use} can be loaded")


def _store() -> HealthFinding:
    """The tracking store: readable, or possible to create."""
    health = wb.tracking.store_health(os.environ, wb_home())
    state: State = "broken" if not health.sound else "note" if health.remedy else "ok"
    return HealthFinding(state, "store", health.where, health.told, health.remedy)
