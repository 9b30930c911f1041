"""From a run's journal to a real MLflow store: once, whatever happens on the way."""

import os
import subprocess
import sys
import time
from contextlib import closing

import pytest
from PIL import Image

from workbench.errors import TrackingError
from workbench.journal import Journal
from workbench.tracking import PARENT, Drainer, Outbox, check_uri, local_store, resolve_uri, send_pending

EXPERIMENT = "sending"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home whose database exists: making one takes seconds."""
    folder = tmp_path_factory.mktemp("home")
    local_store(folder)
    return folder


@pytest.fixture
def client(home):
    from mlflow.tracking import MlflowClient

    return MlflowClient(local_store(home))


@pytest.fixture
def journal(tmp_path, request):
    with closing(Journal(tmp_path / "journal.sqlite", request.node.name)) as journal:
        yield journal


def fill(journal, folder):
    """A journal with some of everything."""
    outbox = Outbox(journal, folder / "pictures")
    outbox.params({"train.steps": 5, **{f"many.{k}": k for k in range(120)}})
    outbox.tags({"wb.data": "drawn cars"})
    outbox.dataset("cars", "drawn cars, built in", "f" * 64, "training")
    for step in range(300):
        outbox.metrics({"loss": 1.0 / (step + 1), "rate": 0.1}, step)
    outbox.image("samples", Image.new("RGB", (64, 64), "red"), 100)
    (folder / "some").mkdir(exist_ok=True)
    (folder / "some" / "file.txt").write_text("words")
    outbox.artifact(folder / "some")
    outbox.finish("FINISHED")


def stored_run(client, journal):
    """Everything that the store has of a run, with how often."""
    run_id = journal.meta("tracking_run")
    run = client.get_run(run_id)
    runs = client.search_runs([run.info.experiment_id], f"tags.`wb.run` = '{journal.run}'")
    images = sorted(item.path for item in client.list_artifacts(run_id, "images"))
    history = {
        key: [(point.step, point.value, point.timestamp) for point in client.get_metric_history(run_id, key)]
        for key in run.data.metrics
    }
    return {
        "runs": len(runs),
        "status": run.info.status,
        "params": len(run.data.params),
        "data": run.inputs.dataset_inputs[0].dataset.digest,
        "images": images,
        "history": history,
        "files": [item.path for item in client.list_artifacts(run_id, "some")],
    }


def test_every_record_arrives(journal, home, client, tmp_path):
    fill(journal, tmp_path)
    assert send_pending(journal, local_store(home), EXPERIMENT, home) == journal_size(journal)
    stored = stored_run(client, journal)
    assert stored["runs"] == 1
    assert stored["status"] == "FINISHED"
    assert stored["params"] == 121
    assert [row[:2] for row in stored["history"]["loss"]] == [(step, 1.0 / (step + 1)) for step in range(300)]
    assert len(stored["images"]) == 2  # the image, and its thumbnail
    assert stored["files"] == ["some/file.txt"]
    assert send_pending(journal, local_store(home), EXPERIMENT, home) == 0


def test_a_number_that_never_changes_becomes_a_param(journal, home, client, tmp_path):
    outbox = Outbox(journal, tmp_path / "pictures")
    for step in (0, 100, 200):
        outbox.metrics({"eval/nfe": 15.0, "eval/seconds": 2.0}, step)
    assert send_pending(journal, local_store(home), EXPERIMENT, home) == 6
    run = client.get_run(journal.meta("tracking_run"))
    assert run.data.params == {"nfe": "15"}
    assert run.data.metrics == {"eval/seconds": 2.0}
    assert journal.lines()[0]["metrics"] == {"eval/nfe": 15.0, "eval/seconds": 2.0}
    assert journal.refused() == []


def journal_size(journal):
    (both,) = journal._rows("select (select count(*) from numbers) + (select count(*) from records)")
    return both[0]


def test_sending_everything_twice_changes_nothing(journal, home, client, tmp_path):
    fill(journal, tmp_path)
    send_pending(journal, local_store(home), EXPERIMENT, home)
    before = stored_run(client, journal)
    journal.forget_sending()  # with its id in the store: the run is found by its tag
    assert send_pending(journal, local_store(home), EXPERIMENT, home) == journal_size(journal)
    assert stored_run(client, journal) == before


@pytest.mark.parametrize("moment", ["records sent:1", "records sent:4", "records acknowledged:3"])
def test_a_sender_that_is_killed_before_acknowledging_leaves_no_duplicates(journal, home, client, tmp_path, moment):
    fill(journal, tmp_path)
    code = f"""
from pathlib import Path
from workbench.journal import Journal
from workbench.tracking import local_store, send_pending
home = Path({str(home)!r})
send_pending(Journal(Path({str(journal.path)!r}), {journal.run!r}), local_store(home), {EXPERIMENT!r}, home)
"""
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "WB_FAULT": moment}, check=False)
    assert done.returncode == -9
    assert journal.unsent() > 0
    send_pending(journal, local_store(home), EXPERIMENT, home)
    stored = stored_run(client, journal)
    assert stored["runs"] == 1
    assert [row[:2] for row in stored["history"]["loss"]] == [(step, 1.0 / (step + 1)) for step in range(300)]
    assert len(stored["images"]) == 2
    assert journal.unsent() == 0


def test_an_unreachable_store_delays_nothing_and_loses_nothing(journal, home, client, tmp_path):
    warned = []
    drainer = Drainer(lambda: Journal(journal.path, journal.run), "http://u:secret@127.0.0.1:9", EXPERIMENT, home, warned.append)
    fill(journal, tmp_path)
    until = time.monotonic() + 60.0
    while not warned and time.monotonic() < until:
        time.sleep(0.1)
    started = time.monotonic()
    drainer.close(3.0)
    assert time.monotonic() - started < 4.0
    assert len(warned) == 1
    assert "127.0.0.1:9" in warned[0]
    assert "secret" not in warned[0]
    assert journal.unsent() == journal_size(journal)
    until = time.monotonic() + 60.0
    while True:  # the thread may be at its last request still
        try:
            send_pending(journal, local_store(home), EXPERIMENT, home)
            break
        except TrackingError:
            assert time.monotonic() < until
            time.sleep(0.5)
    assert stored_run(client, journal)["runs"] == 1
    assert journal.unsent() == 0


def test_refused_records_do_not_block_others(journal, home, client, tmp_path):
    journal.numbers_at(1, {"good": 1.0, "what is this?!": 2.0, "fine": 3.0})
    journal.put("artifact", "gone.txt", {"file": str(tmp_path / "gone.txt"), "folder": "", "sha256": ""})
    Outbox(journal, tmp_path).finish("FINISHED")
    send_pending(journal, local_store(home), EXPERIMENT, home)
    run = client.get_run(journal.meta("tracking_run"))
    assert run.data.metrics == {"good": 1.0, "fine": 3.0}
    assert run.info.status == "FINISHED"
    refused = {(kind, key): reason for kind, key, reason in journal.refused()}
    assert set(refused) == {("artifact", "gone.txt"), ("metric", "what is this?!")}
    assert "no longer exists" in refused["artifact", "gone.txt"]


def test_a_child_waits_for_its_parent(journal, home, client, tmp_path):
    Outbox(journal, tmp_path).tags({PARENT: "the parent"})
    with pytest.raises(TrackingError, match=r"'the parent'.*not in the store yet"):
        send_pending(journal, local_store(home), EXPERIMENT, home)
    with closing(Journal(tmp_path / "parent.sqlite", "the parent")) as parent:
        Outbox(parent, tmp_path).tags({"wb.kind": "sweep"})
        send_pending(parent, local_store(home), EXPERIMENT, home)
        send_pending(journal, local_store(home), EXPERIMENT, home)
        run = client.get_run(journal.meta("tracking_run"))
        assert run.data.tags["mlflow.parentRunId"] == parent.meta("tracking_run")


def test_a_resumed_run_ends_again(journal, home, client, tmp_path):
    for _ in range(2):
        Outbox(journal, tmp_path).finish("KILLED")
        send_pending(journal, local_store(home), EXPERIMENT, home)
        assert client.get_run(journal.meta("tracking_run")).info.status == "KILLED"
        client.update_run(journal.meta("tracking_run"), status="RUNNING")  # as resuming does


def test_two_processes_do_not_send_one_journal(journal, home):
    code = f"""
import sys, time
from pathlib import Path
from workbench.files import exclusive_lock
with exclusive_lock(Path({str(journal.path.parent)!r}) / "sending.lock"):
    print("held", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(TrackingError, match=rf"is being sent by process {other.pid}"):
            send_pending(journal, local_store(home), EXPERIMENT, home)
        other.stdin.close()


def test_a_mistake_in_a_uri_is_reported_at_once():
    for good in ("http://host:5000", "sqlite:///x.db", "postgresql+psycopg://u:p@h/d", "databricks"):
        check_uri(good)
    for bad in ("htp://host", "mlruns", "file:///mlruns", "", "localhost:5000"):
        with pytest.raises(TrackingError, match=r"is not a tracking store: expected a server \(http"):
            check_uri(bad)


def test_a_store_is_recognised_without_storing_its_password(tmp_path):
    assert resolve_uri("local", None, {}, None, tmp_path) == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    assert resolve_uri("http://host", None, {"MLFLOW_TRACKING_URI": "http://other"}, None, tmp_path) == "http://host"
    environ = {"MLFLOW_TRACKING_URI": "http://me:word@host"}
    assert resolve_uri("http://***@host", None, environ, None, tmp_path) == "http://me:word@host"
    with pytest.raises(TrackingError, match="set MLFLOW_TRACKING_URI"):
        resolve_uri("http://***@host", None, {}, None, tmp_path)


def test_the_records_and_facts_of_a_child_are_its_own(journal, tmp_path):
    child = journal.child("a child")
    for part, value in ((journal, "parent"), (child, "child")):
        Outbox(part, tmp_path).tags({"who": value})
        part.acknowledge(records=[row.id for row in part.unsent_records("tag")])
        part.set_meta(tracking_run=value)
    child.forget_sending()
    assert (journal.unsent(), child.unsent()) == (0, 1)
    assert (journal.meta("tracking_run"), child.meta("tracking_run")) == ("parent", None)
    assert [part.run for part in journal.children()] == [f"{journal.run}/a child"]
    journal.forget_sending()
    assert [row.body["value"] for row in journal.unsent_records("tag")] == ["parent"]
