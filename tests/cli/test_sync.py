"""`wb sync` sends all that tracking would have sent, and reports what it did not send."""

import json
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
    runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id], f"tags.`wb.run` = '{run}'")
    (entry,) = [entry for entry in runs if entry.data.tags.get("wb.kind") != "evaluation"]
    names = {
        item.path
        for folder in ("", "checkpoint", "pictures")
        for item in client.list_artifacts(entry.info.run_id, folder or None)
    }
    return entry.info.status, names, entry.data.tags, entry


def test_a_run_that_was_not_tracked_is_sent_whole(home, capsys):
    assert call(home, "sync") == 0
    assert "nothing to send" in capsys.readouterr().out  # --no-track was meant
    assert call(home, "sync", "latest") == 0
    (run,) = list_runs(home)
    status, names, tags, entry = stored(home, run.id)
    assert status == "FINISHED"
    assert names >= ARTIFACTS
    assert {"wb.recipe", "wb.data", "wb.device", "wb.precision", "wb.version.torch", "mlflow.source.name"} <= set(tags)
    assert {dataset.tags[0].value for dataset in entry.inputs.dataset_inputs} == {"training", "validation"}
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


def test_refused_records_are_listed_until_they_are_sent(home, capsys):
    (run,) = list_runs(home)
    cards = run.path / "cards.json"
    cards.rename(run.path / "away")
    for words in (["latest"], []):  # the second time it is one of the runs with unsent records
        assert call(home, "sync", *words) == 1
        output = capsys.readouterr().out
        assert "1 cannot be sent" in output
        assert f"artifact cards.json: {cards} no longer exists" in output
        assert stored(home, run.id)[0] == "FINISHED"
    (run.path / "away").rename(cards)
    assert call(home, "sync") == 0
    status, names, *_ = stored(home, run.id)
    assert (status, "cards.json" in names) == ("FINISHED", True)
    assert call(home, "sync") == 0
    assert "nothing to send" in capsys.readouterr().out


def test_a_moved_home_is_repaired_even_if_nothing_is_unsent(home, tmp_path, capsys):
    moved = home.rename(tmp_path / "moved 50%")
    assert call(moved, "sync") == 0
    assert "this home has moved: 1 artifact locations in its MLflow database now point here" in capsys.readouterr().out
    assert call(moved, "sync", "latest") == 0
    assert stored(moved, list_runs(moved)[0].id)[0] == "FINISHED"
    assert not home.exists()


def test_a_sweep_is_sent_before_its_trials(home, repository):
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


def evaluations(home, run, experiment="workbench"):
    """The child runs of a run in MLflow, by name."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(default_uri(home))
    parent = stored(home, run.id, experiment)[3]
    children = client.search_runs([parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert {child.info.status for child in children} <= {"FINISHED"}
    return sorted(child.info.run_name for child in children)


def test_evaluations_that_the_store_missed_arrive_by_sync_exactly_once(home, capsys):
    (run,) = list_runs(home)
    assert call(home, "sync", run.id) == 0
    database = home / "mlflow" / "mlflow.db"
    database.rename(home / "away.db")
    database.write_bytes(b"not a database, but long enough for a header" * 20)
    capsys.readouterr()
    assert call(home, "eval", run.id, "--steps", "1,2") == 0
    assert "records not yet sent; they wait in the run's folder: wb sync" in capsys.readouterr().out
    assert call(home, "sync") != 0
    (home / "away.db").replace(database)
    for _ in range(2):
        assert call(home, "sync") == 0
        assert evaluations(home, run) == ["ddim 1 steps", "ddim 2 steps"]
        assert stored(home, run.id)[0] == "FINISHED"
    assert "nothing to send" in capsys.readouterr().out
    assert call(home, "eval", run.id, "--steps", "1,2") == 0
    assert evaluations(home, run) == ["ddim 1 steps", "ddim 2 steps"]
    assert call(home, "sync", run.id, "--experiment", "another") == 0  # everything goes there
    assert evaluations(home, run, "another") == ["ddim 1 steps", "ddim 2 steps"]


def test_evaluations_with_no_track_are_sent_when_the_run_is_named(home, capsys):
    (run,) = list_runs(home)
    assert call(home, "eval", run.id, "--steps", "1", "--no-track") == 0
    assert call(home, "sync", run.id) == 0  # the run itself was not tracked either
    assert evaluations(home, run) == ["ddim 1 steps"]
    assert call(home, "eval", run.id, "--steps", "2", "--no-track") == 0
    capsys.readouterr()
    assert call(home, "sync") == 0
    assert "nothing to send" in capsys.readouterr().out
    assert evaluations(home, run) == ["ddim 1 steps"]
    assert call(home, "sync", run.id) == 0
    assert evaluations(home, run) == ["ddim 1 steps", "ddim 2 steps"]


def test_an_evaluation_that_an_earlier_version_recorded_is_not_recorded_again(home):
    (run,) = list_runs(home)
    assert call(home, "eval", run.id, "--steps", "1", "--no-track") == 0
    with closing(run.journal()) as journal:
        journal._connection.execute("delete from records where run != ?", [run.id])  # which had no journal for it
    (file,) = run.evaluations.glob("*.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "tracking": {"uri": default_uri(home), "run_id": "0" * 32}}))
    assert call(home, "sync", run.id) == 0
    assert call(home, "eval", run.id, "--steps", "1") == 0
    assert evaluations(home, run) == []


def test_an_evaluation_is_recorded_in_a_store_that_has_moved(home, tmp_path, capsys):
    from mlflow.tracking import MlflowClient

    (run,) = list_runs(home)
    assert call(home, "sync", run.id) == 0
    (home / "mlflow" / "mlflow.db").rename(tmp_path / "moved.db")
    uri = f"sqlite:///{tmp_path}/moved.db"
    assert call(home, "eval", run.id, "--steps", "1", "--tracking-uri", uri) == 0
    assert "tracking has stopped" not in capsys.readouterr().out
    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name("workbench").experiment_id])
    assert [entry.info.status for entry in runs] == ["FINISHED", "FINISHED"]
    assert {entry.data.tags.get("wb.kind") for entry in runs} == {None, "evaluation"}


def test_a_run_with_a_damaged_journal_can_be_evaluated(home, capsys):
    (run,) = list_runs(home)
    (run.path / "journal.sqlite").write_bytes(b"not a database, but long enough for a header" * 20)
    assert call(home, "eval", run.id, "--steps", "1") == 0
    assert "evaluations are kept in the run's folder only" in capsys.readouterr().out
