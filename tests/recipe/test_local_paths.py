"""A relative path belongs to the file in which it is written, and a run stores what it meant."""

import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from wb_datasets.folder import Folder
from wb_features.inception import Inception
from workbench.errors import RecipeError, WeightsError
from workbench.interfaces import LocalPath
from workbench.recipe import dumps, load, relative_paths, save
from workbench.recipe.places import place_paths
from workbench.sqlite import absolute_url, sqlite_path

RECIPE = """name = "paths"
parameterization = "v"
[dataset]
use = "folder"
root = "photos"
image_size = 16
[schedule]
use = "cosine"
[denoiser]
use = "small_cnn"
[sampler]
use = "ddim"
[evaluate]
features = []
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A recipe in a folder of its own, images next to it, and other images of the same name in the working directory."""
    for place in ("recipes", "elsewhere"):
        for name in ("photos", "others"):
            (tmp_path / place / name).mkdir(parents=True)
            (tmp_path / place / name / "a.png").write_bytes(b"")
    (tmp_path / "recipes" / "base.toml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path


def write(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def root(path, *overrides):
    return load(path, overrides).dataset.component.root


def test_a_path_is_relative_to_its_recipe(project):
    assert root(project / "recipes" / "base.toml") == root(Path("../recipes/base.toml")) == project / "recipes" / "photos"


def test_an_inherited_path_is_relative_to_the_file_that_gives_it(project):
    child = write(project / "elsewhere" / "child.toml", 'extends = "../recipes/base.toml"\n[dataset]\nimage_size = 32\n')
    assert root(child) == project / "recipes" / "photos"
    write(child, 'extends = "../recipes/base.toml"\n[dataset]\nroot = "others"\n')
    assert root(child) == project / "elsewhere" / "others"


def test_a_path_from_set_or_python_is_relative_to_the_working_directory(project):
    recipe = project / "recipes" / "base.toml"
    assert root(recipe, "dataset.root=others") == project / "elsewhere" / "others"
    assert root(recipe, "dataset={use='folder', root='others'}") == project / "elsewhere" / "others"
    assert Folder(root="others").root == project / "elsewhere" / "others"
    assert root(recipe, "dataset.image_size=32") == project / "recipes" / "photos"


def test_dots_links_and_the_home_are_resolved(project, monkeypatch):
    (project / "link").symlink_to(project / "recipes" / "photos")
    recipe = project / "recipes" / "base.toml"
    monkeypatch.setenv("HOME", str(project))
    assert root(recipe, "dataset.root=../recipes/photos") == project / "recipes" / "photos"
    assert root(recipe, "dataset.root=../link") == project / "recipes" / "photos"
    assert root(recipe, f"dataset.root={project / 'link'}") == project / "link"  # a link alone stays one
    assert root(recipe, "dataset.root=~/recipes/photos") == project / "recipes" / "photos"


def test_a_run_stores_the_folder_that_was_meant(project, monkeypatch):
    recipe = load(project / "recipes" / "base.toml")
    stored = project / "home" / "runs" / "r" / "recipe.toml"
    stored.parent.mkdir(parents=True)
    save(recipe, stored)
    (stored.parent / "run.json").write_text("{}")
    assert tomllib.loads(stored.read_text())["dataset"]["root"] == str(project / "recipes" / "photos")
    for place in (project / "elsewhere", project):
        monkeypatch.chdir(place)
        assert load(stored) == recipe
        assert relative_paths(load(stored), stored) == []


def test_a_run_that_stored_a_relative_path_follows_the_working_directory_and_that_is_reported(project):
    stored = write(project / "elsewhere" / "r" / "recipe.toml", RECIPE)
    (stored.parent / "run.json").write_text("{}")
    assert root(stored) == project / "elsewhere" / "photos"
    (line,) = relative_paths(load(stored), stored)
    assert line == (
        f"dataset.root: the run stores the relative path 'photos', which means {project / 'elsewhere' / 'photos'} "
        f"from this working directory"
    )


def test_a_missing_folder_is_named_by_its_absolute_path_and_the_line_that_names_it(project):
    recipe = write(project / "recipes" / "lost.toml", 'extends = "base.toml"\n[dataset]\nroot = "lost"\n')
    with pytest.raises(RecipeError) as raised:
        load(recipe)
    assert str(raised.value) == f"{recipe}:3: dataset.root: no folder '{project / 'recipes' / 'lost'}'"


def test_the_choices_of_a_sweep_are_relative_to_its_recipe(project):
    space = '[sweep.space]\n"dataset.root" = { choices = ["photos", "others"] }\n'
    space += '"train.steps" = { low = 1, high = 2, when = { "dataset.root" = "others" } }\n'
    recipe = load(write(project / "recipes" / "search.toml", f'extends = "base.toml"\n{space}'))
    choices = tuple(str(project / "recipes" / name) for name in ("photos", "others"))
    assert recipe.sweep.space["dataset.root"].choices == choices
    assert recipe.sweep.space["train.steps"].when == {"dataset.root": choices[1]}
    assert load(write(project / "copy.toml", dumps(recipe))) == recipe


def test_weights_and_stores_in_files_are_relative_to_the_recipe_too(project):
    text = RECIPE.replace("features = []", "features = [{ use = 'inception', weights = 'w.safetensors' }]")
    recipe = load(write(project / "recipes" / "w.toml", f'{text}[tracking]\nuri = "sqlite:///store.db"\n'))
    assert recipe.evaluate.features[0].component.weights == project / "recipes" / "w.safetensors"
    assert recipe.tracking.uri == f"sqlite:///{project / 'recipes' / 'store.db'}"
    changed = load(project / "recipes" / "w.toml", ["tracking.uri=sqlite:///store.db"])
    assert changed.tracking.uri == f"sqlite:///{project / 'elsewhere' / 'store.db'}"


def test_a_store_next_to_a_recipe_in_a_folder_of_any_name_is_the_one_that_is_opened(project):
    recipe = load(
        write(
            project / "a%20?b#c" / "w.toml",
            RECIPE.replace("photos", "../recipes/photos") + '[tracking]\nuri = "sqlite:///store.db"\n',
        )
    )
    assert sqlite_path(recipe.tracking.uri) == project / "a%20?b#c" / "store.db"


@pytest.mark.parametrize("uri", ["sqlite:////tmp/a.db", "sqlite:///:memory:", "http://localhost:5000", "postgresql://host/name"])
def test_other_stores_are_left_as_they_are(uri, tmp_path):
    assert absolute_url(uri, tmp_path) == uri


def test_weights_that_are_missing_are_named_by_their_absolute_path(project, monkeypatch):
    with pytest.raises(WeightsError, match=f"no file {project}/elsewhere/w.safetensors"):
        Inception(weights="w.safetensors").card()
    monkeypatch.setenv("WB_INCEPTION_WEIGHTS", "w.safetensors")
    with pytest.raises(WeightsError, match=f"no file {project}/elsewhere/w.safetensors"):
        Inception().card()


class Part(BaseModel):
    file: LocalPath


class Whole(BaseModel):
    files: tuple[LocalPath, ...]
    parts: dict[str, Part]
    by_name: dict[str, LocalPath | None]
    text: str


def test_a_path_is_found_however_deep_it_lies_in_a_component(tmp_path):
    table = {"files": ["a", "/b"], "parts": {"x": {"file": "c"}}, "by_name": {"y": "d", "z": None}, "text": "e", "unknown": "f"}
    assert place_paths(Whole, table, lambda key: tmp_path / key[0]) == {
        "files": [f"{tmp_path}/files/a", "/b"],
        "parts": {"x": {"file": f"{tmp_path}/parts/c"}},
        "by_name": {"y": f"{tmp_path}/by_name/d", "z": None},
        "text": "e",
        "unknown": "f",
    }


def test_a_folder_whose_name_is_not_text_is_refused_in_a_sentence(project, monkeypatch):
    place = project / "recipes" / "bad\udcff"
    try:
        place.mkdir()
    except OSError:
        pytest.skip("this file system takes no such name")
    recipe = write(place / "mine.toml", RECIPE)
    with pytest.raises(RecipeError, match="dataset"):
        load(recipe)
