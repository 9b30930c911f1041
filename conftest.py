"""What tests share: where the shared data lie, and a home of their own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent

# A shell starts what runs in its background with SIGINT ignored, and processes pass that on to those that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def tiny(repository: Path) -> Path:
    """The recipe of the tests: a run of it takes a second."""
    return repository / "tests" / "tiny.toml"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and weights; tests that want it are skipped where it is absent."""
    folder = Path(os.environ.get("WB_TEST_DATA", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no shared data in {folder} (WB_TEST_DATA)")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _one_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Images are drawn and decoded once for all tests, whatever their home, in all processes of the test run."""
    base = tmp_path_factory.getbasetemp()
    whole = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WB_CACHE", str(whole / "cache"))
        yield


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into the checkout or talks to somebody's tracking server."""
    monkeypatch.setenv("WB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("MLFLOW_TRACKING_URI", "WB_INCEPTION_WEIGHTS"):
        monkeypatch.delenv(name, raising=False)
