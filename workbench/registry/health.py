"""Check libraries and installed components: what can be imported, read and used."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Literal

from workbench.errors import WeightsError, WorkbenchError
from workbench.registry.allowed import is_first_party
from workbench.registry.discovery import Entry
from workbench.registry.distributions import find_damaged
from workbench.registry.loading import load
from workbench.registry.plugins import Plugin, find_plugins, unknown_names
from workbench.registry.probe import probe_component
from workbench.registry.versions import CORE

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


def check_components(seconds: float) -> Iterator[HealthFinding]:
    """Check libraries, plugins, their metadata and the weights of feature extractors; `seconds` is the time limit for importing a component."""
    with ThreadPoolExecutor(2) as pool:
        yield from pool.map(_library, LIBRARIES)
        plugins = find_plugins()
        sound: list[Entry] = []
        for plugin, imports in zip(plugins, pool.map(lambda plugin: _import_all(plugin, seconds), plugins), strict=True):
            sound += [entry for entry, error in imports if error is None]
            yield from _plugin(plugin, imports)
    for name in unknown_names():
        remedy = f"pip install {name}, or remove it from WB_PLUGINS"
        yield HealthFinding("note", "plugin", name, "named in WB_PLUGINS, and not installed", remedy)
    yield from check_metadata()
    yield from _weights(sound)


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


def _import_all(plugin: Plugin, seconds: float) -> list[tuple[Entry, str | None]]:
    allowed = [entry for entry in plugin.entries if entry.allowed]
    return [(result.entry, result.error) for result in probe_component(allowed, seconds)]


def _plugin(plugin: Plugin, imports: list[tuple[Entry, str | None]]) -> Iterator[HealthFinding]:
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


def check_metadata() -> Iterator[HealthFinding]:
    """Metadata folders that hide a package or describe it twice."""
    for row in find_damaged():
        ours = row.name == CORE or is_first_party(row.name)
        remedy = f"delete {row.path}" if row.has_sound else f"pip install --force-reinstall {row.name}, or delete {row.path}"
        state: State = "broken" if ours and not row.has_sound else "note"
        message = f"{row.path} cannot be used: {row.reason}" + ("; another copy of the package is used" if row.has_sound else "")
        yield HealthFinding(state, "package", row.name, message, remedy)


def _weights(sound: list[Entry]) -> Iterator[HealthFinding]:
    """The weights of feature extractors: present, and the right files."""
    from pydantic import ValidationError

    for entry in sound:
        if entry.kind != "features":
            continue
        try:
            card = load("features", entry.qualified)().card()
        except ValidationError:
            continue  # it has fields without defaults, which only a recipe can set
        except WeightsError as error:
            yield HealthFinding("note", "weights", entry.name, str(error))
            continue
        except WorkbenchError as error:
            yield HealthFinding("broken", "weights", entry.name, str(error))
            continue
        yield HealthFinding("ok", "weights", entry.name, f"{card.dims} dimensions, sha256 {card.weights_sha256[:12]}")
