"""Deletions in the store are reported with the remedy; unsent records can be sent afterwards."""

import shlex
import shutil
import warnings
from contextlib import closing

import pytest

from workbench.errors import TrackingError
from workbench.journal import Journal
from workbench.tracking import Outbox, find_recorded_run, local_store, send_pending


@pytest.fixture(scope="module")
def home(empty_store, tmp_path_factory):
    return shutil.copytree(empty_store, tmp_path_factory.mktemp("copy") / "home #1")


@pytest.fixture
def client(home):
    from mlflow.tracking import MlflowClient

    return MlflowClient(local_store(home))


@pytest.fixture
def journal(tmp_path, request):
    with closing(Journal(tmp_path / "journal.sqlite", request.node.name)) as journal:
        yield journal


def record(journal, step):
    outbox = Outbox(journal, journal.path.parent)
    outbox.metrics({"loss": 1.0}, step)
    outbox.finish("FINISHED")


def stored(client, experiment, journal):
    experiment_id = client.get_experiment_by_name(experiment).experiment_id
    (run,) = client.search_runs([experiment_id], f"tags.`wb.run` = '{journal.run}'")
    return run.info.status, [point.step for point in client.get_metric_history(run.info.run_id, "loss")]


def restore(message):
    """Run the command that a message names."""
    from click.testing import CliRunner

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own, of its own annotations
        from mlflow.cli import cli

    assignment, program, *words = shlex.split(message.split("`")[1])
    variable, _, value = assignment.partition("=")
    assert program == "mlflow"
    done = CliRunner().invoke(cli, words, env={variable: value})
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("recorded", [False, True])
def test_a_deleted_experiment_is_named_and_another_one_receives_the_records(journal, home, client, recorded):
    name = f"deleted {recorded}"
    if recorded:
        record(journal, 1)
        send_pending(journal, local_store(home), name, home)
    else:
        client.create_experiment(name)
    client.delete_experiment(client.get_experiment_by_name(name).experiment_id)
    record(journal, 2)
    with pytest.raises(
        TrackingError, match=rf"the experiment '{name}' is deleted in .*mlflow experiments restore --experiment-id"
    ) as e:
        send_pending(journal, local_store(home), name, home)
    assert "--set tracking.experiment=NAME" in str(e.value)
    assert journal.unsent() == 2
    journal.forget_sending()
    send_pending(journal, local_store(home), f"{name}: another", home)
    assert stored(client, f"{name}: another", journal) == ("FINISHED", [1, 2] if recorded else [2])


@pytest.mark.parametrize("what", ["experiment", "run"])
def test_records_are_sent_after_the_command_of_the_message(journal, home, client, what):
    name = f"restored {what}"
    record(journal, 1)
    send_pending(journal, local_store(home), name, home)
    run_id = journal.meta("tracking_run")
    if what == "run":
        client.delete_run(run_id)
    else:
        client.delete_experiment(client.get_experiment_by_name(name).experiment_id)
    record(journal, 2)
    with pytest.raises(TrackingError, match=f"the {what} '.*' is deleted in .*: restore it with `MLFLOW_TRACKING_URI=") as caught:
        send_pending(journal, local_store(home), name, home)
    with pytest.raises(TrackingError, match="is deleted in"):
        find_recorded_run(local_store(home), run_id, home)
    restore(str(caught.value))
    send_pending(journal, local_store(home), name, home)
    assert stored(client, name, journal) == ("FINISHED", [1, 2])


def test_a_run_that_the_store_lost_is_sent_whole_again(journal, home, client):
    record(journal, 1)
    send_pending(journal, local_store(home), "lost", home)
    journal.set_meta(tracking_run="0" * 32)  # as after the database was replaced
    client.delete_run(client.search_runs([client.get_experiment_by_name("lost").experiment_id])[0].info.run_id)
    record(journal, 2)
    send_pending(journal, local_store(home), "lost", home)
    assert stored(client, "lost", journal) == ("FINISHED", [1, 2])
