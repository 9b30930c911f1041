"""Whether there are enough images for what a recipe asks."""

import pytest
from typer.testing import CliRunner

from workbench.cli import app
from workbench.errors import BrokenComponent, RecipeError
from workbench.recipe import count_images, load, size_warnings, warnings

ENOUGH = ["train.batch_size=4", "evaluate.samples=200", "evaluate.real=200"]


@pytest.fixture
def folder(repository, tmp_path):
    """A recipe for a folder of so many image files; their content is not read."""

    def make(images, *overrides):
        root = tmp_path / "photos"
        root.mkdir()
        for i in range(images):
            (root / f"{i:03d}.png").touch()
        base = ["dataset={use='folder'}", f"dataset.root={root}", "dataset.image_size=16"]
        return load(repository / "recipes" / "cars_linear.toml", [*base, *ENOUGH, *overrides])

    return make


def warnings_of(recipe):
    return size_warnings(recipe, count_images(recipe))


def test_enough_images_are_not_warned_about(folder):
    recipe = folder(300)
    assert 250 < count_images(recipe) < 300
    assert warnings_of(recipe) == []


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.batch_size=301", r"fewer than train.batch_size = 301 (a batch repeats images)"),
        ("evaluate.real=301", "fewer than evaluate.real = 301 (all of them are used)"),
        ("evaluate.samples=301", "fewer than evaluate.samples = 301 (the real images limit"),
        ("evaluate.samples=100", "evaluate: 100 images (the smaller of evaluate.samples and real images) are far fewer than the dimensions (1,280 of"),
        ("evaluate.real=100", "evaluate: 100 images (the smaller of evaluate.samples and real images) are far fewer than the dimensions (1,280 of"),
    ],
)  # fmt: skip
def test_a_setting_that_is_rarely_intended_is_one_line(folder, override, words):
    (line,) = warnings_of(folder(300, override))
    assert words in line


def test_all_settings_that_exceed_the_images_are_in_one_line(folder):
    (line, _) = warnings_of(folder(20, "train.batch_size=64"))
    assert "train.batch_size = 64" in line
    assert "evaluate.real = 200" in line
    assert "evaluate.samples = 200" in line


def test_one_image_is_trained_on_and_not_measured(folder):
    assert warnings_of(folder(1)) == [
        "dataset: 1 training image, fewer than train.batch_size = 4 (a batch repeats images)",
        "evaluate: distances need 2 real images and there is 1, so none is measured",
    ]


def test_without_distances_their_sizes_do_not_matter(folder):
    assert warnings_of(folder(5, "evaluate.features=[]", "evaluate.samples=900")) == []


def test_a_number_that_is_not_known_is_not_compared(folder):
    recipe = folder(5, "evaluate.real=900")
    assert size_warnings(recipe, None) == []


def test_a_count_that_is_not_a_number_is_a_fault_of_the_dataset(folder, monkeypatch):
    recipe = folder(5)
    monkeypatch.setattr(type(recipe.dataset.component), "count_examples", lambda self, split: "many")
    with pytest.raises(BrokenComponent, match=r"'folder': count_examples\(\) returned str, not a number or None"):
        count_images(recipe)


def test_a_folder_without_images_is_a_problem_of_its_root(folder):
    with pytest.raises(RecipeError, match=r"dataset.root: no images under .*photos"):
        folder(0)


def test_attention_at_a_resolution_that_never_occurs_is_warned_about(folder):
    (line,) = warnings(folder(5, "denoiser.attention=[7, 8]"))
    assert line == "denoiser: attention = [7, 8]: 7 never occurs, the resolutions are 16, 8, 4"


def test_wb_validate_prints_the_warnings(repository, tmp_path):
    (tmp_path / "0.png").touch()
    words = ["dataset={use='folder'}", f"dataset.root={tmp_path}", "dataset.image_size=16", "denoiser.attention=[7]"]
    recipe = repository / "recipes" / "cars_linear.toml"
    done = CliRunner().invoke(app, ["validate", str(recipe), *(part for word in words for part in ("--set", word))])
    assert done.exit_code == 0
    assert done.stderr.count("warning: ") == 3
    assert "7 never occurs" in done.stderr
    assert "so none is measured" in done.stderr
