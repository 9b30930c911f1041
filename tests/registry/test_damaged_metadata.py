"""Metadata that an interrupted installation left behind hide nothing, and are named."""

import pytest

from workbench.errors import UnknownComponent
from workbench.registry import content, distribution, find, find_damaged, find_plugins, installed, load
from workbench.registry.health import check_metadata
from workbench.sweep.launching import launcher_of

GOOD = """
from workbench.interfaces import Sampler
class Mine(Sampler):
    def step(self, posterior, x, t, s, *, state, noise):
        return posterior(x, t), None
"""


def leave(site, name, **files):
    """A metadata folder as pip leaves it when it is killed."""
    folder = site.folder / f"{name}.dist-info"
    folder.mkdir()
    for file, data in files.items():
        folder.joinpath(file).write_bytes(data)
    return folder


STALE = {
    "empty": {},
    "METADATA of no bytes": {"METADATA": b""},
    "METADATA without a version": {"METADATA": b"Metadata-Version: 2.1\nName: diffusion-workbench-samplers\n"},
    "METADATA that are not text": {"METADATA": b"\xff\xfe", "entry_points.txt": b"[workbench.samplers]\nddim = a:B\n"},
    "entry points that are not text": {"entry_points.txt": b"\xff[workbench.samplers]"},
}


@pytest.mark.parametrize("kind", STALE)
def test_a_stale_folder_before_the_good_one_hides_nothing_and_is_named(site, kind):
    folder = leave(site, "diffusion_workbench_samplers-0.0.8", **STALE[kind])
    assert load("samplers", "ddim").__name__ == "DDIM"
    assert find("samplers", "ddim").version == distribution("diffusion-workbench-samplers").version == "0.1.0"
    assert content.content_hash("diffusion-workbench-samplers") != ""
    assert "ok" in {plugin.name: plugin for plugin in find_plugins()}["diffusion-workbench-samplers"].states
    (row,) = [row for row in find_damaged() if row.path == folder]
    assert (row.name, row.has_sound) == ("diffusion-workbench-samplers", True)
    (finding,) = [finding for finding in check_metadata() if str(folder) in finding.message]
    assert (finding.state, finding.remedy) == ("note", f"delete {folder}")


def test_launchers_are_found_past_a_stale_folder_too(site):
    leave(site, "diffusion_workbench_launchers-0.0.8")
    assert type(launcher_of("slurm", [])).__name__ == "Slurm"


def test_a_package_without_readable_metadata_is_named_where_its_component_is_missing(site):
    folder = leave(site, "acme-1.2")
    with pytest.raises(UnknownComponent, match="no sampler is called 'mine'") as raised:
        find("samplers", "mine")
    assert f"{folder} cannot be used: its METADATA has no name and version  (wb doctor)" in str(raised.value)
    (finding,) = [finding for finding in check_metadata() if finding.name == "acme"]
    assert finding.remedy == f"pip install --force-reinstall acme, or delete {folder}"


def test_a_line_without_a_value_in_one_package_hides_no_other(site):
    site.install("a-good", GOOD)
    site.install("b-bad", GOOD)
    site.folder.joinpath("b_bad-1.2.dist-info", "entry_points.txt").write_text("[workbench.samplers]\nmine\n")
    assert [entry.distribution for entry in installed("samplers") if entry.name == "mine"] == ["a-good"]
    assert [(row.name, row.reason) for row in find_damaged() if row.path.parent == site.folder] == [
        ("b-bad", "its entry_points.txt is not valid")
    ]


def test_two_descriptions_of_one_package_in_a_folder_are_named(site):
    site.install("twice", GOOD, version="1.2")
    site.install("twice", GOOD, version="1.3")
    assert [row.reason for row in find_damaged() if row.path.parent == site.folder] == [
        "twice-1.2.dist-info in the same folder describes it too"
    ]
