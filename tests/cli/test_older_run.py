"""A run folder written before the packages were split opens as it did: sample, compare, eval, sync, resume."""

import json
import shutil
import sys

import pytest
from mlflow.tracking import MlflowClient

from workbench.cli import main
from workbench.runs.folder import RunFolder
from workbench.tracking import local_store

RUN = "tiny-20261129-060117Z-96c9"


@pytest.fixture
def old(repository, tmp_path):
    """The run, in a home of its own."""
    run = RunFolder(tmp_path / "home" / "runs" / RUN)
    shutil.copytree(repository / "tests" / "fixtures" / "run_one_engine", run.path)
    return run


@pytest.fixture
def wb(old, tmp_path, monkeypatch, capsys):
    """Call the command in this process and return its standard output."""

    def call(*words):
        monkeypatch.setenv("WB_HOME", str(old.home))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["wb", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        output = capsys.readouterr()
        assert end.value.code == 0, output.err
        return output.out

    return call


def test_images_are_drawn_and_runs_compared(wb, old, tmp_path):
    assert "4 images of" in wb("sample", RUN, "-n", "4", "--out", "images.png", "--label", "van")
    assert (tmp_path / "images.png").stat().st_size > 0
    shutil.copytree(old.path, old.path.with_name("copy"))
    assert "eval/nfe" in wb("compare", RUN, "copy")


def test_combinations_are_evaluated(wb, old):
    output = wb("eval", RUN, "--steps", "1,2", "--samples", "4", "--real", "8", "--features", "efficientnet_lite0", "--no-track")
    assert "2 combinations" in output
    stored = [json.loads(path.read_text()) for path in old.evaluations.glob("*.json")]
    assert sorted(numbers["nfe"] for numbers in stored) == [1, 2]


def test_it_is_resumed_from_its_checkpoint(wb, old):
    output = wb("run", "--resume", RUN, "--set", "train.steps=6", "--no-track")
    assert "resuming from step 4" in output
    assert (old.info()["status"], old.info()["step"]) == ("FINISHED", 6)
    assert [line["step"] for line in old.numbers() if "train/loss" in line["metrics"]] == [4, 6]


def test_its_records_are_sent(wb, old, empty_store):
    shutil.copytree(empty_store / "mlflow", old.home / "mlflow")
    wb("sync", RUN)
    client = MlflowClient(local_store(old.home))
    (found,) = client.search_runs([client.get_experiment_by_name("workbench").experiment_id])
    assert (found.info.status, found.data.params["train.steps"]) == ("FINISHED", "4")
    assert found.data.metrics["val/loss"] == pytest.approx(old.final()[0]["val/loss"])
