"""Recording in real MLflow stores."""

import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from workbench.errors import TrackingError
from workbench.journal import Journal
from workbench.sqlite import sqlite_url
from workbench.tracking import (
    Drainer,
    Outbox,
    artifact_root,
    find_recorded_run,
    local_store,
    open_run,
    run_facts,
    send_pending,
    tracking_uri,
)


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A home whose database exists: making one takes seconds."""
    folder = tmp_path_factory.mktemp("home")
    local_store(folder)
    return folder


@pytest.fixture
def journal(tmp_path, request):
    with closing(Journal(tmp_path / "journal.sqlite", request.node.name)) as journal:
        yield journal


@pytest.fixture
def outbox(journal, tmp_path):
    return Outbox(journal, tmp_path / "pictures")


def send(journal, home):
    """The run in the store once everything has arrived, and the store's client."""
    send_pending(journal, local_store(home), "an experiment", home)
    run = find_recorded_run(local_store(home), journal.meta("tracking_run"), home)
    return run.client.get_run(run.run_id), run.client


def test_what_a_run_records_can_be_read_back(outbox, journal, home, tmp_path):
    (tmp_path / "recipe.toml").write_text("name = 'x'")
    journal.set_meta(name="a run")
    outbox.params({"train.steps": 5, "long": "x" * 9000, **{f"many.{i}": i for i in range(150)}})
    outbox.tags({"wb.data": "drawn cars"})
    outbox.dataset("cars: drawn cars", "drawn cars, built in", "f" * 64, "training")
    for step in range(500):
        outbox.metrics({"loss": 1.0 / (step + 1)}, step)
    for step in (0, 100):
        outbox.image("samples", Image.new("RGB", (8, 8), "red"), step)
    outbox.artifact(tmp_path / "recipe.toml")
    outbox.finish("FINISHED")

    run, client = send(journal, home)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "a run"
    assert run.data.params["train.steps"] == "5"
    assert len(run.data.params) == 152
    assert run.data.tags["wb.data"] == "drawn cars"
    assert run.inputs.dataset_inputs[0].dataset.source == "drawn cars, built in"
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(step, 1.0 / (step + 1)) for step in range(500)]
    images = [item.path for item in client.list_artifacts(run.info.run_id, "images")]
    assert sum("samples" in path and "step" in path and path.endswith(".png") for path in images) >= 2
    assert Path(run.info.artifact_uri.removeprefix("file://")).is_relative_to(home / "mlflow" / "artifacts")


@pytest.mark.parametrize("status", ["FAILED", "KILLED"])
def test_the_status_of_a_run_is_the_one_that_was_recorded(outbox, journal, home, status):
    outbox.metrics({"loss": 1.0}, 1)
    outbox.finish(status)
    run, _ = send(journal, home)
    assert run.info.status == status
    assert run.data.metrics == {"loss": 1.0}


def test_a_resumed_run_is_running_until_it_ends_again(outbox, journal, home):
    outbox.finish("KILLED")
    run, client = send(journal, home)
    drainer = Drainer(lambda: Journal(journal.path, journal.run), local_store(home), "an experiment", home, pytest.fail)
    outbox.metrics({"loss": 1.0}, 1)
    until = time.monotonic() + 60.0
    while journal.unsent() and time.monotonic() < until:
        time.sleep(0.1)
    assert client.get_run(run.info.run_id).info.status == "RUNNING"
    outbox.finish("FINISHED")
    drainer.close(60.0)
    assert client.get_run(run.info.run_id).info.status == "FINISHED"


def test_option_environment_recipe_and_default_decide_in_this_order(tmp_path):
    environ = {"MLFLOW_TRACKING_URI": "http://environment"}
    assert tracking_uri("http://option", environ, "http://recipe", tmp_path) == "http://option"
    assert tracking_uri(None, environ, "http://recipe", tmp_path) == "http://environment"
    assert tracking_uri(None, {}, "http://recipe", tmp_path) == "http://recipe"
    assert tracking_uri(None, {}, None, tmp_path) == f"sqlite:///{tmp_path}/mlflow/mlflow.db"


def test_an_unreachable_server_is_reported_without_its_password(tmp_path):
    with pytest.raises(TrackingError) as caught:
        open_run("http://user:secret@127.0.0.1:9", "x", "x", tmp_path)
    assert "secret" not in str(caught.value)
    assert "127.0.0.1:9" in str(caught.value)


@pytest.mark.long
def test_four_processes_that_start_at_once_on_an_empty_home_all_record_their_run(tmp_path):
    code = f"""
from pathlib import Path
import os
from workbench.journal import Journal
from workbench.tracking import Outbox, local_store, send_pending
home = Path({str(tmp_path)!r})
folder = home / str(os.getpid())
folder.mkdir()
journal = Journal(folder / "journal.sqlite", folder.name)
outbox = Outbox(journal, folder)
outbox.metrics({{"x": 1.0}}, 0)
outbox.finish("FINISHED")
send_pending(journal, local_store(home), "together", home)
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
    facts = run_facts({"diffusion-workbench-samplers": "0.1.0"}, tmp_path)
    assert facts["wb.version.diffusion-workbench-samplers"] == "0.1.0"
    assert "wb.version.torch" in facts
    assert "wb.git.dirty" not in facts
    for command in (["init"], ["-c", "user.name=x", "-c", "user.email=x@y", "commit", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True, capture_output=True)
    facts = run_facts({}, tmp_path / "recipe.toml")
    assert len(facts["mlflow.source.git.commit"]) == 40
    assert facts["wb.git.dirty"] == "false"


def test_a_child_run_belongs_to_its_parent_whose_status_does_not_change(outbox, journal, home):
    outbox.finish("KILLED")
    parent, client = send(journal, home)
    for _ in range(2):  # nothing is there twice, whether the child is known by its id or found by its tag
        child = journal.child("a child")
        child.set_meta(name="the child's name", uri="local", tracking_run=None)
        child_outbox = Outbox(child, journal.path.parent)
        child_outbox.params({"seed": 1})
        child_outbox.metrics({"loss": 1.0}, 3)
        child_outbox.finish("FINISHED")
        send(journal, home)
        children = client.search_runs([parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
        assert [run.info.run_name for run in children] == ["the child's name"]
    assert (children[0].info.status, children[0].data.params) == ("FINISHED", {"seed": "1"})
    assert (children[0].data.tags["wb.kind"], children[0].data.tags["wb.run"]) == ("evaluation", journal.run)
    assert [(point.step, point.value) for point in client.get_metric_history(children[0].info.run_id, "loss")] == [(3, 1.0)]
    assert client.get_run(parent.info.run_id).info.status == "KILLED"
    # A parent whose id was lost is found by its wb.run, which its children have too.
    journal.set_meta(tracking_run=None)
    outbox.metrics({"loss": 2.0}, 1)
    assert send(journal, home)[0].info.run_id == parent.info.run_id


def test_a_child_run_that_is_not_to_be_recorded_stays_in_the_journal(journal, home):
    child = journal.child("a child")
    Outbox(child, journal.path.parent).params({"seed": 1})
    assert send_pending(journal, local_store(home), "an experiment", home) == 0
    child.set_meta(uri="local")
    assert send_pending(journal, local_store(home), "an experiment", home) == 1


def test_a_run_that_is_not_in_the_store_is_reported(home):
    with pytest.raises(TrackingError, match="finding run 0123"):
        find_recorded_run(local_store(home), "0123", home)


def test_artifacts_of_a_file_store_lie_next_to_its_database(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    store = tmp_path / "stores" / "what? #1" / "x.db"
    uri = tracking_uri(sqlite_url(store), {}, None, tmp_path / "home")
    run = open_run(uri, "elsewhere", "a run", tmp_path / "home")
    run.client.log_artifact(run.run_id, __file__)
    assert (store.parent / "artifacts" / "elsewhere" / run.run_id / "artifacts" / Path(__file__).name).is_file()
    run.client.create_experiment("made by others", artifact_location="file:///old/mlflow/artifacts/theirs")
    open_run(uri, "elsewhere", "another run", tmp_path / "home")
    assert run.client.get_experiment_by_name("made by others").artifact_location == "file:///old/mlflow/artifacts/theirs"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "stores"]
    assert list((tmp_path / "here").iterdir()) == []


def test_a_relative_store_is_the_same_from_every_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tracking_uri("sqlite:///x.db", {}, None, tmp_path) == f"sqlite:///{tmp_path}/x.db"
    assert artifact_root("http://host", tmp_path) is None
    assert artifact_root("postgresql://host/name", tmp_path / "home") == tmp_path / "home" / "mlflow" / "artifacts"
