"""A sweep in MLflow."""

import os
import re
import subprocess
import sys

import pytest

WB = [sys.executable, "-m", "workbench"]


@pytest.mark.long
def test_trials_are_child_runs_of_their_sweep_with_the_chosen_values(write, tmp_path):
    from mlflow.tracking import MlflowClient

    home = tmp_path / "home"
    space = '[sweep.space]\n"train.learning_rate" = { low = 1e-5, high = 1e-2, log = true }\n"sampler.use" = { choices = ["ddim", "ddpm"] }\n'
    environ = {**os.environ, "WB_HOME": str(home)}
    command = [*WB, "sweep", str(write(space=space)), "--workers", "2", "--trials"]
    subprocess.run([*command, "2"], env=environ, check=True, capture_output=True)
    subprocess.run([*command, "3"], env=environ, check=True, capture_output=True)

    client = MlflowClient(f"sqlite:///{home / 'mlflow' / 'mlflow.db'}")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    (parent,) = [run for run in runs if run.data.tags.get("wb.kind") == "sweep"]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(runs) == 4
    assert sorted(run.data.tags["wb.trial"] for run in children) == ["0", "1", "2"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all("train.learning_rate" in run.data.params for run in children if run.data.tags["wb.trial"] != "0")
    assert not any(key.startswith("sweep.") for run in children for key in run.data.params)
    assert parent.data.params["sweep.space.train.learning_rate"] == "1e-05 to 0.01, log"
    assert parent.data.params["sweep.space.sampler.use"] == "ddim | ddpm"
    assert parent.data.tags["mlflow.source.name"].endswith("tiny.toml")
    assert parent.data.tags["mlflow.note.content"].startswith("best: trial")
    assert all(run.data.metrics["val/loss"] > 0.0 for run in children)
    artifacts = {file.path for file in client.list_artifacts(parent.info.run_id, "sweep")}
    assert {"sweep/search.html", "sweep/best.toml", "sweep/history.png", "sweep/parallel.png"} <= artifacts
    assert parent.data.metrics["sweep/complete"] == 3.0
    page = (home / "sweeps" / "tiny" / "results" / "search.html").read_text()
    assert page.count("Plotly.newPlot") >= 2
    assert re.search(r"<script[^>]*\bsrc=", page) is None  # it opens without a network
