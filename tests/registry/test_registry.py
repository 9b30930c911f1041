"""Finding components, with real tiny distributions."""

import sys
import textwrap

import pytest

from workbench.errors import AmbiguousComponent, BrokenComponent, UnknownComponent
from workbench.registry import find, installed, load
from workbench.registry.discovery import _installed
from workbench.registry.loading import _load

GOOD = """
from workbench.interfaces import Sampler
class Good(Sampler):
    def step(self, posterior, x, t, s, *, state, noise):
        return posterior(x, t), None
class Abstract(Sampler):
    pass
class Other:
    pass
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a distribution with entry points on the path."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))

    def put(name, points, code=GOOD, requires="diffusion-workbench>=0.1", module=None):
        module = module or f"made_{name.replace('-', '_')}"
        (folder / f"{module}.py").write_text(textwrap.dedent(code))
        info = folder / f"{name.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\nRequires-Dist: {requires}\n")
        lines = "\n".join(f"{point} = {module}:{target}" for point, target in points.items())
        (info / "entry_points.txt").write_text(f"[workbench.samplers]\n{lines}\n")
        forget()

    yield put
    for name in [name for name in sys.modules if name.startswith("made_")]:
        del sys.modules[name]
    monkeypatch.undo()
    forget()


def forget():
    _installed.cache_clear()
    _load.cache_clear()


def test_shipped_components_are_found_through_entry_points():
    shipped = {
        kind: {entry.name for entry in installed(kind)}
        for kind in ("schedules", "denoisers", "samplers", "datasets", "features", "launchers")
    }
    assert {"linear", "cosine"} <= shipped["schedules"]
    assert {"unet", "small_cnn"} <= shipped["denoisers"]
    assert {"ddpm", "ddim"} <= shipped["samplers"]
    assert {"cars", "folder", "cifar10"} <= shipped["datasets"]
    assert {"inception", "efficientnet_lite0"} <= shipped["features"]
    assert {"ray", "slurm"} <= shipped["launchers"]


def test_a_third_party_sampler_is_found_and_loaded(install):
    install("a-sampler", {"mine": "Good"})
    assert find("samplers", "mine").distribution == "a-sampler"
    assert load("samplers", "a-sampler:mine")().model_dump() == {}


def test_an_unknown_name_lists_installed_names_and_suggests_one():
    with pytest.raises(UnknownComponent, match=r"no sampler is called 'ddimm' \(did you mean 'ddim'\?\)\n    installed: .*ddpm"):
        find("samplers", "ddimm")


def test_a_name_of_two_packages_is_refused_until_one_is_named(install):
    install("a-sampler", {"ddim": "Good"})
    with pytest.raises(AmbiguousComponent, match=r"'a-sampler:ddim' or 'diffusion-workbench-samplers:ddim'"):
        find("samplers", "ddim")
    assert find("samplers", "diffusion-workbench-samplers:ddim").name == "ddim"


@pytest.mark.parametrize(
    ("target", "words"), [("Missing", "AttributeError"), ("Other", "is not a Sampler"), ("Abstract", "lacks step")]
)
def test_a_component_that_is_not_what_it_claims_is_named(install, target, words):
    install("a-sampler", {"mine": target})
    with pytest.raises(BrokenComponent, match=words):
        load("samplers", "mine")


def test_a_plugin_that_cannot_be_imported_affects_only_runs_that_use_it(install):
    install("a-sampler", {"mine": "Good"}, code="raise SystemExit('boom')")
    assert load("samplers", "ddim").__name__ == "DDIM"
    assert "mine" in {entry.name for entry in installed("samplers")}
    with pytest.raises(BrokenComponent, match=r"a-sampler 1.2 cannot be loaded: SystemExit: boom"):
        load("samplers", "mine")


def test_a_plugin_for_another_core_is_refused_before_it_is_imported(install):
    install("a-sampler", {"mine": "Good"}, code="raise RuntimeError('imported')", requires="diffusion-workbench>=7")
    with pytest.raises(BrokenComponent, match=r"made for diffusion-workbench>=7, this is 0.1.0: pip install --upgrade a-sampler"):
        load("samplers", "mine")
