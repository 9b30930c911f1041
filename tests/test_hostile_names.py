"""Careless and malicious names are refused, or kept in a folder of the home."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "chaos"))
from calling import called, changes, listing, working_in
from names import AROUND, WHOLE, made, names, outside, prepared, said

from workbench.errors import CheckpointError, StorageError
from workbench.files import path_inside
from workbench.recipe import load
from workbench.runs.folder import RunFolder, find_run
from workbench.tracking.store import folder_name

ESCAPES = ["..", "/tmp/outside", "../outside", "../../outside", "a/../../outside", "a/b", "a\0b", "~", ".", "\u202e", "\ud800", "n" * 4096, "{0.__class__}", "CON"]  # fmt: skip


@pytest.fixture
def home(tmp_path):
    return prepared(tmp_path)


@pytest.fixture
def elsewhere(tmp_path, home):
    with working_in(tmp_path / "elsewhere", home):
        yield tmp_path / "elsewhere"


@pytest.mark.parametrize("name", ESCAPES, ids=ascii)
def test_what_is_made_under_a_hostile_name_is_made_inside_of_the_home(tmp_path, home, elsewhere, name):
    recipe = load(home / "recipes" / "sweep.toml")
    before = listing(tmp_path)
    endings = dict(made(home, name, recipe, store=False))
    assert "traceback" not in endings.values()
    assert endings["metric"] == ("made" if name.isascii() or name == "\u202e" else "refused")  # half a character is not text
    assert {endings[what] for what in ("run", "sweep")} == ({"made"} if name == "CON" else {"refused"})
    assert outside(changes(before, listing(tmp_path))) == []


@pytest.mark.parametrize("name", ["..", "a\0b", "-h", "n" * 4096, "[/x]"], ids=ascii)
def test_every_verb_accepts_or_refuses_a_hostile_name(tmp_path, home, elsewhere, name):
    before = listing(tmp_path)
    endings = dict(said(home, name))
    assert "traceback" not in endings.values(), [what for what, ending in endings.items() if ending == "traceback"]
    assert outside(changes(before, listing(tmp_path))) == []


def test_an_experiment_of_any_name_keeps_its_files_in_a_folder_of_its_own(tmp_path, home, elsewhere):
    recipe = load(home / "recipes" / "sweep.toml")
    before = listing(tmp_path)
    for name in ("..", "../../outside", "\U0001f697" * 200):
        assert dict(made(home, name, recipe))["experiment"] == "made"
    new = changes(before, listing(tmp_path))
    assert outside(new) == []
    kept = [Path(path).relative_to("project/mlflow/artifacts").parts for path in new if path.endswith("/sweep.toml")]
    assert len({folder for folder, *_ in kept}) == 3
    assert {len(parts) for parts in kept} == {4}  # folder, run, artifacts, file


def test_folders_of_experiments_are_plain_short_and_different():
    every = [name for name in names(500) if name and name.encode("utf-8", "ignore").decode() == name]
    folders = {name: folder_name(name) for name in every}
    assert len(set(folders.values())) == len(every)
    assert all(len(folder) <= 120 and "/" not in folder and folder.strip(". ") == folder for folder in folders.values())
    assert folder_name("my experiment") == "my experiment"


def test_names_of_files_stay_in_their_folder(tmp_path):
    for name in names(500):
        try:
            path = path_inside(tmp_path, name)
        except StorageError:
            continue
        assert path.parent == tmp_path
        path.write_bytes(b"")  # and the system takes it
        assert path.resolve().parent == tmp_path.resolve()
    assert path_inside(tmp_path, "samples_00000001.png").name == "samples_00000001.png"


def test_no_run_is_meant_by_nothing(home):
    with pytest.raises(CheckpointError, match="name a run"):
        find_run(home, "")
    assert isinstance(find_run(home, "begun"), RunFolder)


@pytest.mark.parametrize(
    ("out", "words"),
    [
        (".", "is not an image file name"),
        ("samples.xyz", "'samples.xyz' is not an image file name (expected .png, .jpg or .webp)"),
        ("folder.png", "is a folder"),
        ("n" * 300 + ".png", "cannot be written (File name too long)"),
        ("file/x.png", "'file' is a file"),
    ],
)
def test_an_output_that_cannot_be_an_image_is_refused_before_anything_is_drawn(home, elsewhere, out, words):
    (elsewhere / "folder.png").mkdir()
    (elsewhere / "file").write_bytes(b"")
    outcome = called(["sample", "begun", "--out", out])
    assert (outcome.code, outcome.traceback) == (2, "")
    assert words in " ".join(outcome.errors.split())


def test_there_are_500_different_names():
    assert len(set(names(500))) == 500
    assert set(WHOLE) <= set(names(500))
    assert len(AROUND) * len(WHOLE) > 500
