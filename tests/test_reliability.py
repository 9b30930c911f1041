"""The short part of the chaos suite: kills at random and at every named point, full disks, stops. `make chaos` is the long one."""

import os
import random
import select
import signal
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "chaos"))
from runs import environment, finished_times, outcome_of, run_of, written_recipe

from tests.fork_server import ForkServer
from workbench.faults import POINTS

STEPS = 40
# Where a run that is not tracked does not come by: tests/tracking/test_sending.py does.
SENDING = ("records sent", "records acknowledged")
# These are in `make test`, the others in `make chaos`.
EACH_TIME = ("checkpoint file written", "journal before commit", "evaluation begun")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("chaos") / "home"


@pytest.fixture(scope="module")
def server(home):
    # Images are those of all tests. Measured choices and kernels are not: what another test compiles meanwhile rounds in another way.
    images, cache = Path(os.environ["WB_CACHE"]) / "images", home.parent / "cache"
    images.mkdir(parents=True, exist_ok=True)
    cache.mkdir()
    (cache / "images").symlink_to(images)
    with closing(ForkServer(environment(home, WB_CACHE=str(cache)))) as made:
        yield made


@pytest.fixture
def wb(server, tmp_path):
    """Start `wb`; with `to_end`, wait for its exit code. `wb.log()` is what was printed."""

    def start(*words, to_end=True, **environ):
        child = server.start([str(word) for word in words], tmp_path / "log", **environ)
        return child.wait() if to_end else child

    start.log = lambda: (tmp_path / "log").read_text()
    return start


@pytest.fixture(scope="module")
def expected(server, home, tmp_path_factory):
    """What a run that was left alone has come to."""
    folder = tmp_path_factory.mktemp("alone")
    child = server.start(["run", str(written_recipe(folder, "alone", STEPS)), "--no-track"], folder / "log")
    assert child.wait(300.0) == 0, (folder / "log").read_text()
    return outcome_of(run_of(home, "alone"))


def check(run, expected):
    outcome = outcome_of(run)
    assert outcome.differences(expected) == []
    assert outcome.doubled == 0
    assert (run.status(), finished_times(run)) == ("FINISHED", 1)
    assert not list(run.path.rglob(".writing_*"))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.chaos) for seed in (1, 2, 3, 4))])
def test_a_run_that_is_killed_at_random_ends_bit_for_bit_where_the_other_does(wb, home, expected, tmp_path, seed):
    name = f"random-{seed}"
    child = wb("run", written_recipe(tmp_path, name, STEPS), "--no-track", to_end=False)
    while run_of(home, name) is None:
        assert child.poll() is None, wb.log()
        time.sleep(0.01)
    time.sleep(random.Random(seed).uniform(0.0, 1.5))
    child.send_signal(signal.SIGKILL)
    assert child.wait() in (-9, 0)
    if run_of(home, name).status() != "FINISHED":
        assert wb("run", "--resume", run_of(home, name).id, "--no-track") == 0, wb.log()
    check(run_of(home, name), expected)


@pytest.mark.parametrize(
    "point",
    [pytest.param(point, marks=() if point in EACH_TIME else pytest.mark.chaos) for point in POINTS if point not in SENDING],
)
def test_a_run_that_dies_at_a_named_point_ends_where_the_other_does(wb, home, expected, tmp_path, point):
    name = f"dies-{POINTS.index(point)}"
    count = {"file written": 9, "journal before commit": 4, "journal committed": 5, "step done": 7, "run ended": 1}.get(point, 2)
    assert wb("run", written_recipe(tmp_path, name, STEPS), "--no-track", WB_FAULT=f"{point}:{count}") == -9, wb.log()
    run = run_of(home, name)
    if run.status() != "FINISHED":
        assert wb("run", "--resume", run.id, "--no-track") == 0, wb.log()
    assert "Traceback" not in wb.log()
    check(run, expected)


@pytest.mark.chaos
@pytest.mark.parametrize(
    "moment",
    [
        "checkpoint begun:1",
        "checkpoint file written:3",
        "checkpoint file written:8",
        "checkpoint manifest written:2",
        "file written:9",
    ],
)
def test_a_full_disk_is_one_clear_message_and_costs_nothing_that_was_there(wb, home, expected, tmp_path, moment):
    name = f"full-{moment.translate(str.maketrans(' :', '--'))}"
    assert wb("run", written_recipe(tmp_path, name, STEPS), "--no-track", WB_FAULT=f"{moment}=full") == 2, wb.log()
    assert "Traceback" not in wb.log()
    assert wb.log().count("error:") == 1
    assert "No space left on device; free some space, or set WB_HOME" in wb.log().replace("\n    ", " ")
    run = run_of(home, name)
    assert run.status() == "FAILED"
    assert not list(run.path.rglob(".writing_*"))
    assert wb("run", "--resume", run.id, "--no-track") == 0, wb.log()
    check(run, expected)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGHUP, 129),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.chaos),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.chaos),
    ],
)
def test_a_signal_ends_a_run_within_seconds_and_its_status_is_true(wb, home, expected, tmp_path, number, code):
    name = f"signal-{number}"
    child = wb("run", written_recipe(tmp_path, name, STEPS), "--no-track", to_end=False)
    while run_of(home, name) is None or run_of(home, name).recorded() < 5:
        assert child.poll() is None, wb.log()
        time.sleep(0.01)
    child.send_signal(number)
    started = time.monotonic()
    assert child.wait() == code, wb.log()
    assert time.monotonic() - started < 5.0
    run = run_of(home, name)
    assert (run.status(), run.info()["status"]) == ("KILLED", "KILLED")
    assert wb("run", "--resume", run.id, "--no-track") == 0
    assert "determinism: bit" in wb.log()
    check(run, expected)


def test_a_run_whose_reader_leaves_continues_to_its_end(server, home, expected, tmp_path):
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    child = server.start(["run", str(written_recipe(tmp_path, "reader", STEPS)), "--no-track"], pipe)
    while not select.select([reader], [], [], 0.01)[0] or not os.read(reader, 1):
        assert child.poll() is None
    os.close(reader)
    assert child.wait() == 0
    check(run_of(home, "reader"), expected)


def test_a_finished_run_is_trained_longer(wb, home, expected, tmp_path):
    assert wb("run", written_recipe(tmp_path, "longer", STEPS // 2), "--no-track") == 0, wb.log()
    run = run_of(home, "longer")
    assert wb("run", "--resume", run.id, "--no-track") == 2
    assert (
        f"has finished at step {STEPS // 2}. Train it longer: `wb run --resume {run.id} --set train.steps={STEPS}`"
        in " ".join(wb.log().split())
    )
    assert wb("run", "--resume", run.id, "--set", f"train.steps={STEPS}", "--no-track") == 0, wb.log()
    assert f"train.steps {STEPS // 2} -> {STEPS}" in wb.log()
    assert "determinism: bit" in wb.log()
    assert outcome_of(run).tensors == expected.tensors
    assert (run.status(), finished_times(run)) == ("FINISHED", 2)
    assert wb("run", tmp_path / "longer.toml", "--set", f"train.steps={STEPS}", "--resume", "auto") == 0
    assert f"nothing to do: run {run.id} of this recipe has finished already" in wb.log()


def test_resume_auto_continues_the_newest_unfinished_run_of_the_recipe(wb, home, expected, tmp_path):
    recipe = written_recipe(tmp_path, "auto", STEPS)
    assert wb("run", recipe, "--no-track", WB_FAULT="checkpoint named:2") == -9
    assert wb("run", recipe, "--resume", "auto", "--no-track") == 0
    assert "resuming from step 20" in wb.log()
    check(run_of(home, "auto"), expected)


def test_a_run_has_one_writer(wb, home, tmp_path):
    child = wb("run", written_recipe(tmp_path, "one", 10_000), "--no-track", to_end=False)
    while run_of(home, "one") is None or run_of(home, "one").status() != "RUNNING":
        assert child.poll() is None, wb.log()
        time.sleep(0.01)
    run = run_of(home, "one")
    assert wb("run", "--resume", run.id, "--no-track") == 2
    assert f"is being written by process {child.pid}" in wb.log().replace("\n    ", " ")
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert run.status() == "KILLED"
    assert run.info()["status"] == "RUNNING"  # the status could not be written


@pytest.mark.chaos
def test_a_run_without_a_server_is_sent_later(wb, home, tmp_path):
    recipe = written_recipe(tmp_path, "later", STEPS)
    assert wb("run", recipe, MLFLOW_TRACKING_URI="http://127.0.0.1:9") == 0, wb.log()
    run = run_of(home, "later")
    assert f"records not yet sent; they wait in the run's folder: wb sync {run.id}" in wb.log()
    assert wb("sync", run.id) == 1  # the server is away still
    assert wb("sync", run.id, "--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db") == 0, wb.log()
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    with closing(run.journal()) as journal:
        stored = client.get_run(journal.meta("tracking_run"))
        assert journal.unsent() == 0
    assert stored.info.status == "FINISHED"
    assert len(client.get_metric_history(stored.info.run_id, "train/loss")) == STEPS // 5


@pytest.mark.long
def test_a_run_that_is_trained_longer_continues_in_the_same_run_of_mlflow(wb, home, tmp_path):
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert wb("run", written_recipe(tmp_path, "tracked", 20), "--tracking-uri", uri) == 0, wb.log()
    run = run_of(home, "tracked")
    assert wb("run", "--resume", run.id, "--set", "train.steps=40") == 0, wb.log()
    client = MlflowClient(uri)
    (stored,) = client.search_runs([client.get_experiment_by_name("workbench").experiment_id])
    assert (stored.info.run_name, stored.info.status) == (run.id, "FINISHED")
    assert stored.data.tags["wb.changed.train.steps"] == "20 -> 40 at step 20"
    assert [metric.step for metric in client.get_metric_history(stored.info.run_id, "train/loss")] == [*range(5, 41, 5)]


def test_the_environment_decides_how_far_runs_agree(wb, home, tmp_path):
    recipe = written_recipe(tmp_path, "threads", STEPS)
    assert wb("run", recipe, "--no-track", WB_FAULT="checkpoint named:1") == -9
    run = run_of(home, "threads")
    text = run.recipe.read_text()
    run.recipe.write_text(text.replace("learning_rate", "# changed\nlearning_rate"))
    assert wb("run", "--resume", run.id, "--no-track", WB_FAULT="checkpoint named:1") == -9
    assert "determinism: bit" in wb.log()  # a comment changes no number
    run.recipe.write_text(text.replace("ema = ", "ema = 0.5 # "))
    assert wb("run", "--resume", run.id, "--no-track") == 0
    assert "determinism: statistical" in wb.log()
    assert "the recipe changed" in wb.log()
