"""`wb runs`: what is listed, and what is removed."""

import io
import json
import shutil
import subprocess
import sys
from contextlib import closing

import pytest

from workbench.cli import main
from workbench.recipe import load
from workbench.runs.folder import create_run
from workbench.sweep.folder import SweepFolder
from workbench.sweep.ledger import Ledger, TrialOutcome
from workbench.tracking import local_store

FD = "fd_efficientnet_lite0"
CARD = {"extractor": "efficientnet_lite0", "n_real": 8, "n_generated": 6, "dataset": "data", "split": "train"}
SPACE = ["sweep={metric='val/loss', pruner='none', confirm=0, trials=1, space={'train.learning_rate'={low=1e-5, high=1e-2}}}"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("WB_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("COLUMNS", raising=False)
    return tmp_path / "home"


@pytest.fixture
def wb(home, monkeypatch, capsys):
    """Call the command in this process: (exit code, stdout, stderr); `answers` is what the user types."""

    def call(*words, answers=""):
        monkeypatch.setattr(sys, "argv", ["wb", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(answers))
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        result = capsys.readouterr()
        return code, result.out, " ".join(result.err.split())

    return call


@pytest.fixture
def run_of(home, tiny):
    """Makes finished runs; `distances` are (step, value, changes of the card)."""

    def make(name="tiny", created="2026-01-01T00:00:00+00:00", distances=()):
        run = create_run(home, name)
        shutil.copy(tiny, run.recipe)
        run.update(status="FINISHED", step=4, created=created)
        with closing(run.journal()) as journal:
            for step, value, changes in distances:
                card = CARD | changes
                metrics = {FD: value, "kid_efficientnet_lite0": -1.0, "val/loss": 0.1}
                journal.numbers_at(step, metrics, {FD: card, "kid_efficientnet_lite0": card})
        return run

    return make


def test_runs_are_listed_newest_first_with_their_least_distance(wb, run_of):
    old = run_of("old", "2026-01-01T00:00:00+00:00", [(2, 3.0, {}), (3, 7.0, {}), (4, 5.0, {})])
    new = run_of("new", "2026-01-02T00:00:00+00:00")
    code, out, err = wb("runs")
    assert (code, err) == (0, "")
    heading, first, second = out.splitlines()
    assert heading.split() == ["run", "recipe", "status", "step", "best", "distance", "created"]
    assert first.split()[:4] == [new.id, "new", "finished", "4"]
    assert second.split()[:8] == [old.id, "old", "finished", "4", FD, "3", "at", "step"]
    (row,) = json.loads(wb("runs", "--limit", "1", "--json")[1])
    assert (row["id"], row["best"]) == (new.id, None)


def test_a_distance_that_was_measured_differently_from_the_last_one_is_not_the_best(wb, run_of):
    run_of(distances=[(2, 3.0, {"n_generated": 5}), (3, 4.0, {}), (4, 5.0, {})])
    (row,) = json.loads(wb("runs", "--json")[1])
    assert row["best"] == {"metric": FD, "value": 4.0, "step": 3}


def test_runs_of_earlier_versions_are_listed(wb, home, repository):
    for name in ("run_schema_1", "run_one_engine"):
        shutil.copytree(repository / "tests" / "fixtures" / name, home / "runs" / name)
    code, out, err = wb("runs", "--json")
    assert (code, err) == (0, "")
    assert {row["id"]: row["step"] for row in json.loads(out)} == {"run_schema_1": 4, "run_one_engine": 4}


def test_a_run_that_a_process_writes_is_running_and_one_without_its_process_was_killed(wb, run_of):
    run = run_of()
    run.update(status="RUNNING")
    assert json.loads(wb("runs", "--json")[1])[0]["status"] == "KILLED"
    with run.writing():
        assert json.loads(wb("runs", "--json")[1])[0]["status"] == "RUNNING"


def test_damaged_folders_are_named_and_skipped(wb, run_of, home):
    good, half, journal = run_of(), run_of(), run_of()
    (half.path / "run.json").write_text("{")
    (journal.path / "journal.sqlite").write_bytes(b"x" * 5000)
    (home / "runs" / "empty").mkdir()
    code, out, err = wb("runs", "--json")
    assert (code, [row["id"] for row in json.loads(out)]) == (0, [good.id])
    assert all(f"skipped {path}" in err for path in (half.path, journal.path, home / "runs" / "empty"))


def test_no_runs_is_a_sentence(wb, home):
    code, out, _ = wb("runs")
    assert (code, f"no runs in {home / 'runs'}" in out) == (0, True)
    assert not home.exists()


def test_listing_runs_imports_neither_torch_nor_mlflow(run_of):
    run_of(distances=[(4, 5.0, {})])
    code = (
        "import sys; sys.argv = ['wb', 'runs']\nfrom workbench.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
    )
    code += "sys.exit(bool({'torch', 'mlflow', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, FD in done.stdout) == (0, True)


def test_a_run_is_removed_after_a_yes_only(wb, run_of):
    run, other = run_of("first"), run_of("second")
    code, out, _ = wb("runs", "rm", "first", answers="n\n")
    assert (code, str(run.path) in out, "nothing was removed" in out, run.path.exists()) == (0, True, True, True)
    assert wb("runs", "rm", "first")[0] == 1  # no answer
    assert run.path.exists()
    code, out, _ = wb("runs", "rm", "first", answers="y\n")
    assert (code, f"removed {run.id} (folder)" in out, run.path.exists(), other.path.exists()) == (0, True, False, True)


def test_several_runs_are_removed_without_a_question(wb, run_of, home):
    ids = [run_of().id for _ in range(3)]
    assert wb("runs", "rm", ids[0], ids[1], ids[0], "--yes")[0] == 0
    assert [path.name for path in (home / "runs").iterdir()] == [ids[2]]


def test_a_damaged_run_is_removed_by_its_exact_name(wb, run_of):
    run = run_of()
    (run.path / "run.json").unlink()
    assert wb("runs", "rm", run.id[:-1], "--yes")[0] == 2
    assert wb("runs", "rm", run.id, "--yes")[0] == 0
    assert not run.path.exists()


@pytest.mark.parametrize("name", ["..", ".", "", "../runs", "nowhere"])
def test_nothing_but_a_run_is_removed(wb, run_of, name):
    run = run_of()
    assert wb("runs", "rm", name, "--yes")[0] == 2
    assert run.path.exists()


def test_a_run_that_a_process_writes_is_not_removed(wb, run_of):
    run, other = run_of("first"), run_of("second")
    with run.writing():
        code, _, err = wb("runs", "rm", "second", "first", "--yes")
    assert (code, "is being written by process" in err) == (2, True)
    assert run.path.exists()
    assert other.path.exists()  # all or none


def test_a_trial_is_removed_only_once_its_sweep_is_finished(wb, run_of, home, tiny):
    run = run_of()
    trial = run.path.rename(run.path.with_name("search-t0000"))
    recipe, sweep = load(tiny, SPACE), SweepFolder.of(home, "search")
    sweep.create(recipe, "tiny.toml", None)
    code, _, err = wb("runs", "rm", "search-t0000", "--yes")
    assert (code, "is a trial of the sweep 'search', which is not finished" in err) == (2, True)
    with closing(Ledger(sweep.database, "search", 60.0)) as ledger:
        ledger.create_sweep(sweep.info()["digest"], "", 1)
        ledger.add(0, [])
        assert wb("runs", "rm", "search-t0000", "--yes")[0] == 2
        ledger.finish(ledger.claim(ledger.rows()[0], "me"), TrialOutcome("complete", (1.0,)))
    assert wb("runs", "rm", "search-t0000", "--yes")[0] == 0
    assert not trial.exists()


@pytest.fixture
def recorded(run_of, home, empty_store):
    """A run that is in the local store, with an evaluation under it; its id there, and that of another run."""
    from mlflow.tracking import MlflowClient

    shutil.copytree(empty_store / "mlflow", home / "mlflow")
    run, client = run_of(), MlflowClient(local_store(home))
    experiment = client.create_experiment("tests")
    ids = [client.create_run(experiment, run_name=name).info.run_id for name in (run.id, "another run")]
    client.create_run(experiment, tags={"mlflow.parentRunId": ids[0]}, run_name="an evaluation")
    with closing(run.journal()) as journal:
        journal.set_meta(uri="local", tracking_store="local", tracking_run=ids[0])
    return run, *ids


def active_runs(home):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{home}/mlflow/mlflow.db")
    return [run.info.run_id for run in client.search_runs([client.get_experiment_by_name("tests").experiment_id])]


@pytest.mark.parametrize(
    ("words", "answers", "deletes"),
    [(["--yes", "--mlflow"], "", True), ([], "y\ny\n", True), ([], "y\nn\n", False), (["-y"], "", False)],
)
def test_the_mlflow_run_and_its_evaluations_are_deleted_if_wanted(wb, home, recorded, words, answers, deletes):
    run, _, other = recorded
    code, out, err = wb("runs", "rm", run.id, *words, answers=answers)
    assert (code, run.path.exists(), "folder and MLflow run" in out) == (0, False, deletes), err
    assert (active_runs(home) == [other]) == deletes


def test_a_store_that_is_unreachable_leaves_the_folder(wb, run_of, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    run = run_of()
    with closing(run.journal()) as journal:
        journal.set_meta(uri="http://127.0.0.1:9", tracking_run="abc")
    code, _, err = wb("runs", "rm", run.id, "--yes", "--mlflow")
    assert (code, "deleting run abc in the tracking store http://127.0.0.1:9 failed" in err, run.path.exists()) == (2, True, True)
