"""`wb eval` on a trained run."""

import json
import os
import shlex
import shutil
import signal
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.fork_server import run_wb, shared_server
from workbench.cli import main
from workbench.runs.folder import RunFolder

MEASURED = ["evaluate.samples=6", "evaluate.batch_size=4", "evaluate.real=8", "evaluate.features=['efficientnet_lite0']"]
GRID = ["--sampler", "ddim,ddpm", "--eta", "0,1", "--steps", "1,3"]
NAMES = [f"{variant} {steps} steps" for variant in ("ddim eta=0", "ddim eta=1", "ddpm") for steps in (1, 3)]


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    """A home with one finished run, recorded in MLflow."""
    home = tmp_path_factory.mktemp("wb")
    words = ["run", tiny, *(word for text in MEASURED for word in ("--set", text))]
    run_wb(words, {**os.environ, "WB_HOME": str(home)}).check_returncode()
    return home


@pytest.fixture
def home(trained, tmp_path):
    """A copy of the home, in which the run has no evaluations and the database is its own."""
    shutil.copytree(trained, tmp_path / "home")
    (path,) = tmp_path.glob("home/runs/*/run.json")
    path.write_text(path.read_text().replace(str(trained), str(tmp_path / "home")))
    return tmp_path / "home"


@pytest.fixture
def wb(home, monkeypatch, capsys):
    """Call the command in this process: (exit code, stdout, stderr)."""

    def call(*words):
        monkeypatch.setenv("WB_HOME", str(home))
        monkeypatch.setattr(sys, "argv", ["wb", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        output = capsys.readouterr()
        return code or 0, output.out, output.err

    return call


def folder_of(home):
    return next(home.glob("runs/*"))


def files_of(home):
    return {path.name: path.stat().st_mtime_ns for path in folder_of(home).glob("evaluations/*.json")}


def children_of(home):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{home}/mlflow/mlflow.db")
    with closing(RunFolder(folder_of(home)).journal()) as journal:
        parent = journal.meta("tracking_run")
    experiment = client.get_experiment_by_name("workbench").experiment_id
    return client, parent, [run for run in client.search_runs([experiment]) if run.data.tags.get("mlflow.parentRunId") == parent]


def test_every_combination_is_in_the_document_once_and_nothing_else_is_on_stdout(wb, home):
    code, out, err = wb("eval", "latest", *GRID, "--json", "--no-track")
    assert code == 0
    document = json.loads(out)
    assert (document["run"], document["step"]) == (folder_of(home).name, 4)
    assert [row["name"] for row in document["rows"]] == NAMES
    assert [row["nfe"] for row in document["rows"]] == [1, 3] * 3
    for row in document["rows"]:
        assert row["metrics"].keys() == row["cards"].keys()
        assert all(card["n_generated"] == row["samples"] == 6 and card["n_real"] == 8 for card in row["cards"].values())
        assert row["sampler"]["use"] == row["name"].split()[0]
        assert row["images_per_second"] == pytest.approx(6 / row["seconds"])
    # The front by its definition.
    points = [(row["nfe"], row["metrics"][document["metric"]]) for row in document["rows"]]
    beaten = {i for i, b in enumerate(points) for a in points if a[0] <= b[0] and a[1] <= b[1] and a != b}
    assert set(document["pareto"]) == set(range(len(points))) - beaten
    assert "6 combinations: 0 stored, 6 to compute" in err
    assert all(Path(path).stat().st_size > 1000 for path in document["pictures"].values())


def test_the_last_line_is_a_command_that_draws_the_measured_images(wb, home, tmp_path):
    import torch
    from PIL import Image
    from torchvision.transforms.functional import pil_to_tensor

    from workbench.evaluation.pictures import grid

    words = "--sampler ddim --eta 0.5 --steps 3 --spacing karras --vary rho=5 --vary clamp=false --seed 7"
    code, out, _ = wb("eval", "latest", *words.split(), "--no-track")
    command = shlex.split(out.splitlines()[-1])
    assert (code, command[:3]) == (0, ["wb", "sample", folder_of(home).name])
    code, _, err = wb(*command[1:], "-n", "6", "--out", tmp_path / "again.png", "--separate", tmp_path / "each")
    assert code == 0, err
    (measured,) = files_of(home)
    drawn = torch.stack([pil_to_tensor(Image.open(path)) for path in sorted((tmp_path / "each").iterdir())])
    assert drawn.float().std() > 1.0
    with Image.open(folder_of(home) / "evaluations" / measured.replace(".json", ".png")) as row:
        assert grid(drawn, 10).tobytes() == row.tobytes()


def test_images_of_an_earlier_call_are_kept_unless_forced(wb, home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = ["sample", "latest", "-n", "2", "--steps", "1"]
    assert [wb(*draw)[1].partition(":")[0] for _ in range(3)] == ["samples.png", "samples-2.png", "samples-3.png"]
    kept = (tmp_path / "samples.png").read_bytes()
    code, _, err = wb(*draw, "--seed", "1", "--out", "samples.png")
    assert (code, "'samples.png' exists: overwrite it with --force" in " ".join(err.split())) == (2, True)
    assert (tmp_path / "samples.png").read_bytes() == kept
    assert wb(*draw, "--seed", "1", "--out", "samples.png", "--force")[0] == 0
    assert (tmp_path / "samples.png").read_bytes() != kept

    assert wb(*draw, "--separate", "each")[0] == 0
    code, _, err = wb(*draw, "--separate", "each")
    assert (code, "each/000000.png' exists" in " ".join(err.split())) == (2, True)


def test_plots_of_an_earlier_call_are_overwritten_with_force_only(wb, home, tmp_path):
    words = ["eval", "latest", "--steps", "1", "--no-track", "--out", tmp_path / "plots"]
    assert wb(*words)[0] == 0
    code, out, err = wb(*words)
    assert (code, out) == (2, "")
    assert "trade_off.png' exists: overwrite it with --force" in " ".join(err.split())
    assert wb(*words, "--force")[0] == 0


def test_a_call_computes_only_what_no_earlier_call_computed(wb, home):
    first = json.loads(wb("eval", "latest", *GRID, "--json", "--no-track")[1])
    files = files_of(home)
    again = json.loads(wb("eval", "latest", *GRID, "--json", "--no-track")[1])
    assert [row["new"] for row in again["rows"]] == [False] * 6
    assert files_of(home) == files
    assert [row | {"new": True} for row in again["rows"]] == first["rows"]
    wider = json.loads(wb("eval", "latest", "--sampler", "ddim", "--eta", "0,1", "--steps", "1,2", "--json", "--no-track")[1])
    assert {row["name"]: row["new"] for row in wider["rows"]} == {
        "ddim eta=0 1 steps": False,
        "ddim eta=0 2 steps": True,
        "ddim eta=1 1 steps": False,
        "ddim eta=1 2 steps": True,
    }
    assert files.items() < files_of(home).items()


def test_the_table_shows_what_varies_and_marks_the_front(wb):
    code, out, _ = wb("eval", "latest", *GRID, "--vary", "ddpm.variance=beta", "--no-track")
    assert code == 0
    lines = out.splitlines()
    start = next(i for i, line in enumerate(lines) if "fd_efficientnet_lite0" in line and "NFE" in line)
    assert lines[start].split()[:5] == ["sampler", "eta", "variance", "steps", "NFE"]
    cells = [" ".join(line.replace("*", " ").split()[:3]) for line in lines[start + 1 : start + 7]]
    assert cells == ["ddim 0 1", "ddim 0 3", "ddim 1 1", "ddim 1 3", "ddpm beta 1", "ddpm beta 3"]
    assert any(line.lstrip().startswith("* ") for line in lines[start + 1 : start + 7])
    assert "6 generated against 8 of train; ema weights, seed 0" in out


def test_each_new_combination_becomes_a_child_of_the_training_run(wb, home):
    untracked = wb("eval", "latest", "--sampler", "ddim", "--eta", "0", "--steps", "1", "--no-track")
    assert untracked[0] == 0
    assert children_of(home)[2] == []
    wb("eval", "latest", *GRID)
    client, parent, children = children_of(home)
    # The one that was measured before, but not recorded, is recorded now.
    assert sorted(run.info.run_name for run in children) == sorted(NAMES)
    for run in children:
        assert run.info.status == "FINISHED"
        assert run.data.tags["wb.kind"] == "evaluation"
        assert run.data.tags["wb.run"] == folder_of(home).name
        assert run.data.params["sampler.steps"] == run.data.params["nfe"]
        assert {"fd_efficientnet_lite0", "kid_efficientnet_lite0", "eval/sampling_seconds"} < run.data.metrics.keys()
        assert client.get_metric_history(run.info.run_id, "fd_efficientnet_lite0")[0].step == 4
        assert any(item.path.endswith(".json") for item in client.list_artifacts(run.info.run_id))
    assert client.get_run(parent).info.status == "FINISHED"
    assert {"evaluations/trade_off.png", "evaluations/images.png"} == {
        item.path for item in client.list_artifacts(parent, "evaluations")
    }
    assert any("evaluation_trade_off" in item.path for item in client.list_artifacts(parent, "images"))
    wb("eval", "latest", *GRID)
    assert len(children_of(home)[2]) == len(NAMES)


def test_a_run_that_was_not_tracked_is_evaluated_all_the_same(wb, home):
    with closing(RunFolder(folder_of(home)).journal()) as journal:
        journal.set_meta(tracking_run=None)
    code, out, _ = wb("eval", "latest", "--steps", "1")
    assert (code, "the training run is not in MLflow" in out) == (0, True)


def test_a_store_without_the_run_is_reported_once_and_the_evaluation_continues(wb, home, tmp_path):
    code, out, _ = wb("eval", "latest", "--steps", "1,2", "--tracking-uri", f"sqlite:///{tmp_path}/other.db")
    assert (code, out.count("tracking has stopped")) == (0, 1)
    assert len(files_of(home)) == 2


def test_an_interrupted_call_keeps_finished_combinations_and_the_next_one_continues(home):
    code, output = interrupt_eval(home, "fd_efficientnet_lite0")  # in the line of the first combination, once it is stored
    assert code == 130
    assert "stopped: 1 of 2 new combinations are stored; the same command computes the rest" in output
    assert len(files_of(home)) == 1
    interrupt_eval(home, "2 combinations: 1 stored, 1 to compute")


def interrupt_eval(home, words):
    """Interrupt an evaluation once it has printed these words; its exit code and output."""
    log, environ = home / "log", {**os.environ, "WB_HOME": str(home), "PYTHONUNBUFFERED": "1"}
    log.write_text("")
    child = shared_server().start(["eval", "latest", "--no-track", "--steps", "1,10000"], log, environ=environ)
    until = time.monotonic() + 60.0
    while words not in log.read_text():
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    return child.wait(), log.read_text()


MISTAKES = [
    (["nowhere"], "no run 'nowhere'"),
    (["latest", "--sampler", "ddimm"], "--sampler: sampler.use: no sampler is called 'ddimm' (did you mean 'ddim'?)"),
    (["latest", "--steps", "5,none"], "--steps: sampler.steps: expected a whole number, got 'none'"),
    (["latest", "--guidance", "1,2"], "--guidance: sampler.guidance: guidance needs a network that was given labels"),
    (["latest", "--vary", "ddpm.variance"], "--vary: expected FIELD=VALUES"),
    (["latest", "--vary", "etta=1"], "--vary: etta: no such field of 'ddim' (did you mean 'eta'?"),
    (["latest", "--features", "fid"], "no feature extractor is called 'fid'"),
    (["latest", "--features", "inception"], "wb weights get inception"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_mistakes_are_reported_before_the_first_image(wb, home, words, message):
    code, out, err = wb("eval", *words)
    assert (code, out) == (2, "")
    assert message in " ".join(err.split())
    assert not (folder_of(home) / "evaluations").exists()


def test_a_run_without_a_checkpoint_is_reported(wb, home):
    shutil.rmtree(folder_of(home) / "checkpoints")
    code, _, err = wb("eval", "latest")
    assert (code, "has no checkpoint yet: wb run --resume" in " ".join(err.split())) == (2, True)


def test_help_has_examples(wb):
    code, out, _ = wb("eval", "--help")
    assert (code, "wb eval latest --sampler" in out) == (0, True)


def test_without_matplotlib_the_plot_is_left_out_in_a_sentence(wb, home, monkeypatch):
    for name in ("matplotlib", "matplotlib.backends.backend_agg", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    code, out, _ = wb("eval", "latest", "--sampler", "ddim", "--steps", "1", "--no-track")
    assert (code, "matplotlib is not installed: the plot" in out) == (0, True)
    assert not (folder_of(home) / "evaluations" / "trade_off.png").exists()
    assert (folder_of(home) / "evaluations" / "images.png").exists()
