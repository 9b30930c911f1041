"""`wb sweep` from the command line."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib

import pytest

from workbench.sweep.folder import SweepFolder

WB = [sys.executable, "-m", "workbench"]
BROKEN = """
from workbench.interfaces import Denoiser

class Mine(Denoiser):
    def build(self, spec):
        raise RuntimeError("this network cannot be built")
"""


@pytest.mark.long
def test_a_sweep_runs_all_its_trials_and_reports_the_best(wb, write, tmp_path, summary):
    path = write()
    done = wb("sweep", path, "--trials", 4, "--workers", 2, "--no-track")
    assert "best: trial" in done.stdout
    document = summary()
    assert [trial["number"] for trial in document["trials"]] == [0, 1, 2, 3]
    assert {trial["state"] for trial in document["trials"]} == {"complete"}
    assert document["best"] == min(document["trials"], key=lambda trial: trial["value"])["number"]
    assert document["trials"][0]["params"] == {"train.learning_rate": 2e-4}

    again = wb("sweep", path, "--trials", 4, "--no-track")
    assert "resuming: 4 of 4 trials are done" in again.stdout
    more = wb("sweep", path, "--trials", 5, "--no-track")
    assert "resuming: 4 of 5" in more.stdout
    assert summary()["trials"][:4] == document["trials"]
    assert len(summary()["trials"]) == 5
    assert "5 of 5 trials" in wb("sweep", "list").stdout


@pytest.mark.long
def test_the_best_recipe_runs(wb, write, tmp_path, summary):
    wb("sweep", write(), "--trials", 2, "--no-track")
    text = wb("sweep", "best", "tiny").stdout
    best = tomllib.loads(text)
    trial = next(trial for trial in summary()["trials"] if trial["number"] == summary()["best"])
    assert best["train"]["learning_rate"] == trial["params"]["train.learning_rate"]
    assert "sweep" not in best
    path = tmp_path / "best.toml"
    path.write_text(text)
    assert "finished" in wb("run", path, "--no-track").stdout


@pytest.mark.long
def test_a_changed_search_is_refused_with_the_difference_and_can_start_as_another_sweep(wb, write):
    wb("sweep", write(), "--trials", 1, "--no-track")
    changed = write(space='[sweep.space]\n"train.learning_rate" = { low = 1e-4, high = 1e-2, log = true }\n')
    refused = wb("sweep", changed, "--trials", 2, "--no-track", check=False)
    assert refused.returncode == 2
    assert "sweep.space.train.learning_rate.low: 1e-05 -> 0.0001" in refused.stderr
    assert "--new" in refused.stderr
    assert "tiny-2" in wb("sweep", changed, "--trials", 1, "--no-track", "--new").stdout


@pytest.mark.slow
def test_a_failed_trial_keeps_its_traceback_and_the_others_continue(wb, write, site, tmp_path, summary):
    site.install(code=BROKEN, kind="denoisers")
    space = '[sweep.space]\n"denoiser.use" = { choices = ["small_cnn", "mine"] }\n"train.flip" = { choices = [true, false] }\n'
    wb("sweep", write('sampler = "grid"\n', space), "--trials", 4, "--no-track")
    trials = summary()["trials"]
    assert sorted(trial["state"] for trial in trials) == ["complete", "complete", "failed", "failed"]
    for trial in trials:
        text = tmp_path / "home" / "runs" / trial["run"] / "traceback.txt"
        assert text.exists() == (trial["state"] == "failed") == (trial["params"]["denoiser.use"] == "mine")
        assert not text.exists() or "this network cannot be built" in text.read_text()
        info = json.loads(text.with_name("run.json").read_text())
        assert info["status"] == ("FAILED" if text.exists() else "FINISHED")
        assert text.with_name("recipe.toml").exists()


@pytest.mark.long
def test_more_failures_than_the_limit_end_the_sweep(wb, write, site, summary):
    site.install(code=BROKEN, kind="denoisers")
    path = write("max_failures = 1\n", '[sweep.space]\n"denoiser.use" = { choices = ["small_cnn", "mine"] }\n')
    done = wb("sweep", path, "--trials", 30, "--no-track", check=False)
    assert done.returncode == 2
    assert "too many trials failed" in done.stderr
    assert "cannot be built" in done.stdout
    trials = summary()["trials"]
    assert [trial["state"] for trial in trials].count("failed") == 2
    assert len(trials) < 30


# A learning rate of 1 times this weight decay multiplies the weights by -99 at every step.
DIVERGES = (
    "--set",
    "train.weight_decay=100",
    "--set",
    "train.learning_rate=1e-3",
    "--set",
    "train.warmup=0",
    "--set",
    "train.steps=60",
)
RATES = '[sweep.space]\n"train.learning_rate" = { choices = [1e-3, 1.0] }\n'


@pytest.mark.long
def test_a_trial_whose_loss_becomes_infinite_has_failed_and_the_sweep_ends_with_a_result(wb, summary, write, tmp_path):
    from mlflow.tracking import MlflowClient

    done = wb("sweep", write('sampler = "grid"\n', RATES), "--trials", 2, *DIVERGES)
    assert "the loss is not finite" in done.stdout
    assert "best: trial" in done.stdout
    by_run = {trial["run"]: trial for trial in summary()["trials"]}
    assert {(trial["params"]["train.learning_rate"], trial["state"]) for trial in by_run.values()} == {
        (1e-3, "complete"),
        (1.0, "failed"),
    }

    client = MlflowClient(f"sqlite:///{tmp_path / 'home' / 'mlflow' / 'mlflow.db'}")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()], "tags.wb.trial != 'none'")
    assert len(runs) == 2
    for run in runs:
        failed = by_run[run.info.run_name]["state"] == "failed"
        artifacts = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert run.info.status == ("FAILED" if failed else "FINISHED")
        assert ("traceback.txt" in artifacts) == failed


@pytest.mark.long
def test_max_failures_of_the_command_line_stops_a_sweep_whose_losses_become_infinite(wb, summary, write):
    done = wb(
        "sweep", write('sampler = "random"\n', RATES), "--trials", 30, "--max-failures", 0, "--no-track", *DIVERGES, check=False
    )
    assert done.returncode == 2
    assert "too many trials failed (sweep.max_failures = 0)" in done.stderr
    states = [trial["state"] for trial in summary()["trials"]]
    assert states.count("failed") == 1
    assert len(states) < 30


@pytest.mark.long
def test_a_sweep_starts_no_trial_after_its_minutes_and_can_be_resumed(wb, summary, write):
    path = write()
    done = wb("sweep", path, "--trials", 50, "--minutes", 0.1, "--no-track")
    states = [trial["state"] for trial in summary()["trials"]]
    assert set(states) == {"complete"}
    assert 1 <= len(states) < 50
    assert f"{len(states)} of 50 trials are done; the same command continues" in done.stdout
    assert f"resuming: {len(states)} of {len(states) + 1}" in wb("sweep", path, "--trials", len(states) + 1, "--no-track").stdout


@pytest.mark.long
def test_the_training_of_a_trial_ends_after_its_minutes(wb, summary, write, tmp_path):
    wb("sweep", write("max_minutes = 0.02\n"), "--trials", 1, "--no-track", "--set", "train.steps=1_000_000")
    (trial,) = summary()["trials"]
    assert trial["state"] == "complete"
    recipe = tomllib.loads((tmp_path / "home" / "runs" / trial["run"] / "recipe.toml").read_text())
    assert recipe["train"]["max_minutes"] == 0.02


def test_a_missing_device_is_reported_before_any_worker_starts(wb, write, tmp_path):
    done = wb("sweep", write(), "--device", "cuda", "--no-track", check=False, env={"CUDA_VISIBLE_DEVICES": ""})
    assert done.returncode == 2
    assert "torch sees no GPU" in done.stderr
    assert not (tmp_path / "home" / "sweeps").exists()


@pytest.mark.long
def test_a_trial_with_too_many_parameters_is_not_trained(wb, write, tmp_path, summary):
    space = '[sweep.space]\n"denoiser.channels" = { choices = [8, 64] }\n'
    wb("sweep", write('max_parameters = 20000\nsampler = "grid"\n', space), "--trials", 2, "--no-track")
    states = {trial["params"]["denoiser.channels"]: trial["state"] for trial in summary()["trials"]}
    assert states == {8: "complete", 64: "infeasible"}


@pytest.mark.long
def test_ctrl_c_stops_cleanly_and_the_same_command_continues(write, tmp_path, wb, summary):
    path = write()
    command = ["sweep", str(path), "--trials", "3", "--no-track", "--set", "train.steps=400", "--set", "train.batch_size=16"]
    environ = {**os.environ, "WB_HOME": str(tmp_path / "home")}
    process = subprocess.Popen([*WB, *command], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 120.0
    while not list(tmp_path.glob("home/runs/*/journal.sqlite")) and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 130, out + err
    assert "the same command continues" in out
    interrupted = summary()["trials"]
    assert [trial["state"] for trial in interrupted].count("running") == 0
    assert list(tmp_path.glob("home/runs/*/checkpoints/step_*"))
    assert "1 were interrupted" in wb(*command).stdout
    assert {trial["state"] for trial in summary()["trials"]} == {"complete"}


@pytest.mark.long
def test_a_search_over_evaluation_only_trains_once(wb, write, tmp_path, summary):
    path = write('sampler = "grid"\n', '[sweep.space]\n"sampler.steps" = { choices = [2, 3, 4] }\n')
    path.write_text(path.read_text().replace('metric = "val/loss"', 'metric = "eval/nfe"'))
    done = wb("sweep", path, "--trials", 3, "--no-track")
    assert "train once" in done.stdout
    runs = SweepFolder.of(tmp_path / "home", "tiny").home / "runs"
    assert [folder.name for folder in sorted(runs.iterdir()) if (folder / "checkpoints").exists()] == ["tiny-t0000"]
    assert {trial["params"]["sampler.steps"]: trial["value"] for trial in summary()["trials"]} == {2: 2.0, 3: 3.0, 4: 4.0}


@pytest.mark.long
def test_several_metrics_give_a_pareto_front_and_no_pruning(wb, write, summary):
    path = write(
        'metrics = ["val/loss", "eval/nfe"]\n',
        '[sweep.space]\n"sampler.steps" = { choices = [2, 3] }\n"seed" = { choices = [0, 1] }\n',
    )
    path.write_text(path.read_text().replace('pruner = "none"', 'pruner = "median"'))
    done = wb("sweep", path, "--trials", 3, "--no-track")
    assert "no trial is pruned" in done.stdout
    document = summary()
    values = {trial["number"]: trial["value"] for trial in document["trials"]}
    assert all(len(value) == 2 for value in values.values())
    for number in document["best"]:
        assert not any(
            all(o <= v for o, v in zip(other, values[number], strict=True)) and other != values[number]
            for other in values.values()
        )
    assert "--trial" in wb("sweep", "best", "tiny", check=False).stderr


@pytest.mark.long
def test_trials_that_fall_behind_are_pruned(wb, write, tmp_path, summary):
    # One good learning rate among hopeless ones; seeds make trials of the hopeless kind differ.
    space = '[sweep.space]\n"train.learning_rate" = { choices = [2e-3, 1e-6] }\n"seed" = { choices = [0, 1, 2, 3, 4, 5] }\n'
    path = write('sampler = "grid"\nprune_by = "loss"\n', space)
    path.write_text(
        path.read_text().replace('pruner = "none"', 'pruner = "median"').replace("validate_every = 0", "validate_every = 10")
    )
    settings = ["--set", "train.learning_rate=2e-3", "--set", "train.warmup=0", "--set", "train.steps=40"]
    wb("sweep", path, "--trials", 12, "--no-track", *settings)
    states = [(trial["params"]["train.learning_rate"], trial["state"]) for trial in summary()["trials"]]
    assert (1e-6, "pruned") in states
    assert (2e-3, "complete") in states
    for trial in summary()["trials"]:
        info = json.loads((tmp_path / "home" / "runs" / trial["run"] / "run.json").read_text())
        assert info["status"] == ("KILLED" if trial["state"] == "pruned" else "FINISHED")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sweep", "nowhere.toml"], "no such file"),
        (["sweep", "show", "nothing"], "no sweep 'nothing'"),
        (["sweep", "show", "../../etc"], "cannot be the name"),
        (["sweep-worker", "tiny"], "--storage"),
        (["sweep-worker", "tiny", "--storage", "sqlite:///x.db"], "not for several machines"),
        (["sweep-worker", "tiny", "--storage", "nonsense"], "expected a URL"),
    ],
)
def test_bad_input_is_one_clear_error(wb, words, message):
    done = wb(*words, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_password_in_the_storage_is_never_shown(wb, write, tmp_path):
    done = wb("sweep", write(), "--no-track", "--storage", "postgresql://me:canary@127.0.0.1:1/none", check=False)
    assert done.returncode == 2
    assert "cannot be reached" in " ".join(done.stderr.split())
    assert "canary" not in done.stderr + done.stdout
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"canary" not in path.read_bytes()
