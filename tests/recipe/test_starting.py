"""`wb recipes new` writes recipes that are commented, whole, and mean what their source means."""

import re

import pytest
from typer.testing import CliRunner

from workbench.cli import app
from workbench.errors import ScaffoldError
from workbench.recipe import load
from workbench.recipe.starting import CORE_TABLES, write_new_recipe


def test_the_shipped_recipe_for_a_folder_is_up_to_date(repository):
    path = repository / "recipes" / "folder.toml"
    assert path.read_text() == write_new_recipe("folder", path)


def test_a_new_recipe_is_valid_for_a_folder_of_images(tmp_path, monkeypatch):
    monkeypatch.setenv("WB_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["recipes", "new", "birds"])
    assert (done.exit_code, done.output.splitlines()[0]) == (0, "recipes/birds.toml written. Edit it, then:")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"")
    recipe = load(tmp_path / "recipes" / "birds.toml")
    assert (recipe.name, recipe.dataset.component.root) == ("birds", tmp_path / "images")
    again = CliRunner().invoke(app, ["recipes", "new", "birds"])
    assert isinstance(again.exception, ScaffoldError)
    assert "already exists" in str(again.exception)


@pytest.mark.parametrize("name", ["cars_linear", "cars_cosine", "cars_small_cnn", "sweep"])
def test_a_recipe_from_another_is_equal_to_it_and_extends_nothing(repository, tmp_path, name):
    source = repository / "recipes" / f"{name}.toml"
    path = tmp_path / "mine.toml"
    path.write_text(write_new_recipe("mine", path, source))
    assert "extends" not in path.read_text()
    assert load(path) == load(source, ["name=mine", "description=''"])


def test_values_of_every_kind_are_kept(repository, tmp_path):
    source = tmp_path / "base" / "a.toml"
    source.parent.mkdir()
    (source.parent / "photos").mkdir()
    (source.parent / "photos" / "a.png").write_bytes(b"")
    source.write_text(
        f"extends = '{repository / 'recipes' / 'cars_linear.toml'}'\n"
        "name = 'a'\n[dataset]\nuse = 'folder'\nroot = 'photos'\n[sampler]\nchurn = { amount = 1e-5 }\n"
        "[evaluate]\nfeatures = ['efficientnet_lite0', { use = 'inception', dims = 64 }]\n[tracking]\nexperiment = 'a \"b\" \\u00e9'\n"
    )
    for path in (tmp_path / "other" / "b.toml", tmp_path / "b.toml"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(write_new_recipe("a", path, source))
        assert load(path) == load(source, ["description=''"])
    assert 'root = "base/photos"' in path.read_text()


def test_every_line_has_a_meaning_and_every_field_is_named(tmp_path):
    text = write_new_recipe("mine", tmp_path / "mine.toml")
    plain = [line for line in text.splitlines() if " = " in line and "#" not in line]
    assert [line for line in plain if not line.startswith("description")] == []
    train = text.partition("[train]")[2].partition("\n[")[0]
    assert set(CORE_TABLES["train"].model_fields) <= set(re.findall(r"\w+", train))


@pytest.mark.parametrize("name", ["", "a/b", "../a", "x" * 81, "-a"])
def test_a_name_that_runs_could_not_have_is_refused(tmp_path, name):
    with pytest.raises(ScaffoldError, match="is not a recipe name"):
        write_new_recipe(name, tmp_path / "mine.toml")


@pytest.mark.parametrize("table", CORE_TABLES)
def test_every_table_of_the_core_is_described(table):
    shown = CliRunner().invoke(app, ["show", table], env={"COLUMNS": "200"}).output
    assert [name for name in CORE_TABLES[table].model_fields if name not in shown] == []


def test_a_sampler_is_described_with_the_fields_that_every_sampler_has():
    shown = CliRunner().invoke(app, ["show", "ddim"], env={"COLUMNS": "200"}).output
    assert [name for name in ("eta", *CORE_TABLES["sampler"].model_fields, "churn.amount") if name not in shown] == []
    assert "[0.002, or the smallest of a table]" in shown  # brackets are text, not markup
