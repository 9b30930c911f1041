"""`wb sync`: all that tracking would have sent, and nothing called sent that was not."""

import shutil
import sys
from contextlib import closing

import pytest
from PIL import Image

from workbench.cli import main
from workbench.recipe import load, save
from workbench.runs.folder import create_run, list_runs
from workbench.sweep.folder import SweepFolder
from workbench.tracking import PARENT, Outbox, default_uri

RECIPE = """
name = "tiny"
parameterization = "v"
dataset = {{ use = "folder", root = "{images}", image_size = 16 }}
schedule = {{ use = "linear", steps = 100 }}
denoiser = {{ use = "small_cnn", channels = 8, depth = 1 }}
sampler = {{ use = "ddim", steps = 2 }}
train = {{ steps = 2, batch_size = 2, validate_every = 0 }}
evaluate = {{ samples = 2, real = 2, at_start = false, grid = 4, neighbours = 0, features = ["efficientnet_lite0"] }}
"""

ARTIFACTS = {
    "recipe.toml",
    "cards.json",
    "images",
    "checkpoint/ema.safetensors",
    "checkpoint/state.json",
    "pictures/denoising.gif",
}  # of a finished run


def call(home, *words):
    """The exit code of a command in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WB_HOME", str(home))
        patch.setattr(sys, "argv", ["wb", *map(str, words)])
        try:
            main()
        except SystemExit as end:
            return end.code or 0
    return 0


@pytest.fixture(scope="module")
def trained(empty_store, tmp_path_factory):
    """A home with a store and a finished run that was not tracked."""
    folder = tmp_path_factory.mktemp("wb")
    home, images = folder / "home", folder / "images"
    images.mkdir()
    for k in range(20):
        Image.new("RGB", (20, 20), (12 * k, 90, 255 - 12 * k)).save(images / f"{k:02d}.png")
    (folder / "tiny.toml").write_text(RECIPE.format(images=images.as_posix()))
    assert call(home, "run", folder / "tiny.toml", "--no-track") == 0
    assert not (home / "mlflow").exists()
    shutil.copytree(empty_store / "mlflow", home / "mlflow")
    return home


@pytest.fixture
def home(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "home")


def stored(home, run, experiment="workbench"):
    """(status, names of artifacts, tags, the run) as MLflow has them."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(default_uri(home))
    (entry,) = client.search_runs([client.get_experiment_by_name(experiment).experiment_id], f"tags.`wb.run` = '{run}'")
    names = {
        item.path
        for folder in ("", "checkpoint", "pictures")
        for item in client.list_artifacts(entry.info.run_id, folder or None)
    }
    return entry.info.status, names, entry.data.tags, entry


def test_a_run_that_was_not_tracked_is_sent_whole(home, capsys):
    assert call(home, "sync") == 0
    assert "nothing waits to be sent" in capsys.readouterr().out  # --no-track was meant
    assert call(home, "sync", "latest") == 0
    (run,) = list_runs(home)
    status, names, tags, entry = stored(home, run.id)
    assert status == "FINISHED"
    assert names >= ARTIFACTS
    assert {"wb.recipe", "wb.data", "wb.device", "wb.precision", "wb.version.torch", "mlflow.source.name"} <= set(tags)
    assert {each.tags[0].value for each in entry.inputs.dataset_inputs} == {"training", "validation"}
    assert entry.data.params["train.steps"] == "2"


def test_a_run_that_an_earlier_version_did_not_track_is_sent_from_its_folder(home):
    (run,) = list_runs(home)
    with closing(run.journal()) as journal:
        journal._connection.execute("delete from records")
        journal.set_meta(described=None, experiment=None)
    assert call(home, "sync", "latest", "--experiment", "older") == 0
    status, names, tags, entry = stored(home, run.id, "older")
    assert status == "FINISHED"
    assert names >= ARTIFACTS
    assert tags["wb.version.diffusion-workbench-samplers"]
    assert entry.data.params["train.steps"] == "2"


def test_what_cannot_be_sent_is_named_until_it_can_be(home, capsys):
    (run,) = list_runs(home)
    cards = run.path / "cards.json"
    cards.rename(run.path / "away")
    for words in (["latest"], []):  # the second time it is one of those that wait
        assert call(home, "sync", *words) == 1
        told = capsys.readouterr().out
        assert "1 cannot be sent" in told
        assert f"artifact cards.json: {cards} is not there any more" in told
        assert stored(home, run.id)[0] == "FINISHED"
    (run.path / "away").rename(cards)
    assert call(home, "sync") == 0
    status, names, *_ = stored(home, run.id)
    assert (status, "cards.json" in names) == ("FINISHED", True)
    assert call(home, "sync") == 0
    assert "nothing waits to be sent" in capsys.readouterr().out


def test_a_moved_home_is_repaired_though_nothing_waits(home, tmp_path, capsys):
    moved = home.rename(tmp_path / "moved 50%")
    assert call(moved, "sync") == 0
    assert "this home has moved: 1 artifact locations in its MLflow database lead here again" in capsys.readouterr().out
    assert call(moved, "sync", "latest") == 0
    assert stored(moved, list_runs(moved)[0].id)[0] == "FINISHED"
    assert not home.exists()


def test_a_sweep_is_sent_before_the_trials_that_stand_under_it(home, repository):
    recipe = load(repository / "recipes" / "sweep.toml")
    sweep = SweepFolder.of(home, "search")
    sweep.create(recipe, "sweep.toml", None)
    trial = create_run(home, "trial")
    save(recipe.model_copy(update={"sweep": None}), trial.recipe)
    trial.update(status="FINISHED")
    for folder, tags in ((sweep, {"wb.kind": "sweep"}), (trial, {PARENT: "sweep search"})):
        with closing(folder.journal()) as journal:
            Outbox(journal, folder.path).tags(tags)
            journal.set_meta(uri="local", described="yes", experiment="searches")
    assert call(home, "sync") == 0
    parent = stored(home, "sweep search", "searches")[3]
    assert stored(home, trial.id, "searches")[2]["mlflow.parentRunId"] == parent.info.run_id
