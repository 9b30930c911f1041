"""Fixtures: parts of a small recipe, third-party distributions with real metadata, an empty tracking store."""

from __future__ import annotations

import importlib
import os
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from workbench.model.build import assemble
from workbench.recipe import load
from workbench.registry.content import content_hash
from workbench.registry.discovery import _installed
from workbench.registry.loading import _load


class Site:
    """A folder of installed distributions; `forget` makes this process load them as a new process would."""

    def __init__(self, folder):
        self.folder = folder

    def install(
        self, name="acme", code="", points=None, kind="samplers", requires="diffusion-workbench>=0.1,<0.2", version="1.2"
    ):
        """A distribution with one module; `points` maps component names to classes. Returns the module's file."""
        module = f"made_{name.replace('-', '_')}"
        path = self.folder / f"{module}.py"
        path.write_text(textwrap.dedent(code))
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: {requires}\n"
        )
        lines = "\n".join(f"{point} = {module}:{target}" for point, target in (points or {"mine": "Mine"}).items())
        info.joinpath("entry_points.txt").write_text(f"[workbench.{kind}]\n{lines}\n")
        self.forget()
        return path

    @staticmethod
    def forget():
        importlib.invalidate_caches()
        for cached in (_installed, _load, content_hash):
            cached.cache_clear()
        for name in [name for name in sys.modules if name.startswith("made_")]:
            del sys.modules[name]


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of distributions that this process and those it starts can import."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("WB_PLUGIN_SECONDS", "20")
    yield Site(folder)
    monkeypatch.undo()
    Site.forget()


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A home whose database holds nothing, to be copied: creating one takes seconds."""
    from workbench.tracking import local_store

    home = tmp_path_factory.mktemp("empty_store")
    local_store(home)
    return home


# A U-Net in float32, of which much is recorded.
SETTINGS = [
    "parameterization=eps",
    "denoiser={use='unet', channels=8, multipliers=[1, 2], blocks=1, attention=[]}",
    "train={steps=6, batch_size=8, warmup=2, log_every=1, validate_every=3, checkpoint_every=2, precision='fp32'}",
    "evaluate.neighbours=2",
    "evaluate.real=4",
]


@pytest.fixture(scope="session")
def cache():
    """Decoded data, made once for all tests."""
    return Path(os.environ["WB_CACHE"])


@pytest.fixture
def parts_of(tiny, cache):
    def make(*overrides, device="cpu"):
        return assemble(load(tiny, [*SETTINGS, *overrides]), torch.device(device), cache)

    return make


@pytest.fixture(scope="session")
def kernels_folder():
    # Shared by all processes of the test run: each kernel is built once.
    return Path(os.environ["WB_CACHE"]) / "tested_kernels"
