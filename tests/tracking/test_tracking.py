"""Recording in real MLflow stores."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from workbench.errors import TrackingError
from workbench.sqlite import sqlite_url
from workbench.tracking import artifact_root, child_of, find_recorded_run, local_store, open_run, run_facts, tracking_uri


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A home whose database exists: making one takes seconds."""
    folder = tmp_path_factory.mktemp("home")
    local_store(folder)
    return folder


@pytest.fixture
def tracker(home):
    return open_run(local_store(home), "an experiment", "a run", home)


def test_what_a_run_records_can_be_read_back(tracker, home, tmp_path):
    (tmp_path / "recipe.toml").write_text("name = 'x'")
    tracker.params({"train.steps": 5, "long": "x" * 9000, **{f"many.{i}": i for i in range(150)}})
    tracker.tags({"wb.data": "drawn cars"})
    tracker.dataset("cars: drawn cars", "drawn cars, built in", "f" * 64, "training")
    for step in range(500):
        tracker.metrics({"loss": 1.0 / (step + 1)}, step)
    for step in (0, 100):
        tracker.image("samples", Image.new("RGB", (8, 8), "red"), step)
    tracker.artifact(tmp_path / "recipe.toml")
    tracker.finish("FINISHED")

    run = tracker.client.get_run(tracker.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "a run"
    assert run.data.params["train.steps"] == "5"
    assert len(run.data.params) == 152
    assert run.data.tags["wb.data"] == "drawn cars"
    assert run.inputs.dataset_inputs[0].dataset.source == "drawn cars, built in"
    history = tracker.client.get_metric_history(tracker.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(step, 1.0 / (step + 1)) for step in range(500)]
    images = [item.path for item in tracker.client.list_artifacts(tracker.run_id, "images")]
    assert sum("samples" in path and "step" in path and path.endswith(".png") for path in images) >= 2
    assert Path(run.info.artifact_uri.removeprefix("file://")).is_relative_to(home / "mlflow" / "artifacts")


@pytest.mark.parametrize("status", ["FAILED", "KILLED"])
def test_how_a_run_ended_is_told_truly(tracker, status):
    tracker.metrics({"loss": 1.0}, 1)
    tracker.finish(status)
    run = tracker.client.get_run(tracker.run_id)
    assert run.info.status == status
    assert run.data.metrics == {"loss": 1.0}


def test_a_run_can_be_gone_on_with(tracker, home):
    tracker.finish("KILLED")
    again = open_run(local_store(home), "an experiment", "a run", home, run_id=tracker.run_id)
    assert again.client.get_run(tracker.run_id).info.status == "RUNNING"
    again.finish("FINISHED")


def test_option_environment_recipe_and_default_decide_in_this_order(tmp_path):
    environ = {"MLFLOW_TRACKING_URI": "http://environment"}
    assert tracking_uri("http://option", environ, "http://recipe", tmp_path) == "http://option"
    assert tracking_uri(None, environ, "http://recipe", tmp_path) == "http://environment"
    assert tracking_uri(None, {}, "http://recipe", tmp_path) == "http://recipe"
    assert tracking_uri(None, {}, None, tmp_path) == f"sqlite:///{tmp_path}/mlflow/mlflow.db"


def test_a_server_that_is_not_there_is_told_without_its_password(tmp_path):
    with pytest.raises(TrackingError) as caught:
        open_run("http://user:secret@127.0.0.1:9", "x", "x", tmp_path)
    assert "secret" not in str(caught.value)
    assert "127.0.0.1:9" in str(caught.value)


@pytest.mark.long
def test_four_processes_that_start_at_once_on_an_empty_home_all_record_their_run(tmp_path):
    code = f"""
from pathlib import Path
from workbench.tracking import local_store, open_run
home = Path({str(tmp_path)!r})
tracker = open_run(local_store(home), "together", "run", home)
tracker.metrics({{"x": 1.0}}, 0)
tracker.finish("FINISHED")
"""
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], env=environ, stderr=subprocess.PIPE) for _ in range(4)
    ]
    errors = [process.communicate(timeout=120)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, errors
    from mlflow.tracking import MlflowClient

    client = MlflowClient(local_store(tmp_path))
    runs = client.search_runs([client.get_experiment_by_name("together").experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"] * 4


def test_facts_name_versions_and_the_commit(tmp_path):
    told = run_facts({"diffusion-workbench-samplers": "0.1.0"}, tmp_path)
    assert told["wb.version.diffusion-workbench-samplers"] == "0.1.0"
    assert "wb.version.torch" in told
    assert "wb.git.dirty" not in told
    for command in (["init"], ["-c", "user.name=x", "-c", "user.email=x@y", "commit", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True, capture_output=True)
    told = run_facts({}, tmp_path / "recipe.toml")
    assert len(told["mlflow.source.git.commit"]) == 40
    assert told["wb.git.dirty"] == "false"


def test_a_child_stands_under_its_parent_whose_status_stays(tracker, home):
    tracker.finish("KILLED")
    parent = find_recorded_run(local_store(home), tracker.run_id, home)
    child = child_of(parent, "a child")
    child.finish("FINISHED")
    found = tracker.client.get_run(child.run_id)
    assert (found.data.tags["mlflow.parentRunId"], found.info.run_name) == (tracker.run_id, "a child")
    assert tracker.client.get_run(tracker.run_id).info.status == "KILLED"
    assert found.info.experiment_id == tracker.client.get_run(tracker.run_id).info.experiment_id


def test_a_run_that_is_not_in_the_store_is_told(home):
    with pytest.raises(TrackingError, match="finding run 0123"):
        find_recorded_run(local_store(home), "0123", home)


def test_artifacts_of_a_file_store_lie_next_to_its_database(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    store = tmp_path / "stores" / "what? #1" / "x.db"
    uri = tracking_uri(sqlite_url(store), {}, None, tmp_path / "home")
    tracker = open_run(uri, "elsewhere", "a run", tmp_path / "home")
    tracker.artifact(Path(__file__))
    assert (store.parent / "artifacts" / "elsewhere" / tracker.run_id / "artifacts" / Path(__file__).name).is_file()
    tracker.client.create_experiment("made by others", artifact_location="file:///old/mlflow/artifacts/theirs")
    open_run(uri, "elsewhere", "another run", tmp_path / "home")
    assert tracker.client.get_experiment_by_name("made by others").artifact_location == "file:///old/mlflow/artifacts/theirs"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "stores"]
    assert list((tmp_path / "here").iterdir()) == []


def test_a_relative_store_is_the_same_from_every_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tracking_uri("sqlite:///x.db", {}, None, tmp_path) == f"sqlite:///{tmp_path}/x.db"
    assert artifact_root("http://host", tmp_path) is None
    assert artifact_root("postgresql://host/name", tmp_path / "home") == tmp_path / "home" / "mlflow" / "artifacts"
