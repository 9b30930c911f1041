"""Checkpoints: any damage is detected, the previous one is used instead, and earlier formats can be read."""

import dataclasses
import json
import random
import shutil
from pathlib import Path

import pytest
import torch

from wb_datasets.folder import Folder
from workbench.errors import CheckpointError
from workbench.interfaces import NullTracker
from workbench.recipe import Slot
from workbench.runs.folder import RunFolder, create_run
from workbench.runs.recording import record_run
from workbench.training import checkpoint as checkpoints
from workbench.training.checkpoint import About, TrainState, latest_checkpoint
from workbench.training.environment import agreement, environment, recipe_hash
from workbench.training.loop import train

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture
def saved(tmp_path):
    """Two checkpoints of a small network that has taken two steps."""
    network, average = torch.nn.Linear(6, 5), torch.nn.Linear(6, 5)
    optimizer = torch.optim.AdamW(network.parameters())
    about = About("recipe", {"threads": "1"}, lambda: {"used": {"group_norm": "ours"}})
    state = TrainState(run="a-run", best=0.25, best_step=1, recorded=7)
    for step in (1, 2):
        network(torch.randn(3, 6)).square().mean().backward()
        optimizer.step()
        state.step = step
        checkpoints.save(tmp_path, state, network, average, optimizer, about)
    return tmp_path


def files_of(folder):
    return sorted(path for path in latest_checkpoint(folder).folder.iterdir())


def test_a_checkpoint_is_read_as_it_was_saved(saved):
    checkpoint = latest_checkpoint(saved)
    assert checkpoint.state == TrainState(step=2, run="a-run", best=0.25, best_step=1, recorded=7)
    assert checkpoint.choices() == {"used": {"group_norm": "ours"}}
    assert checkpoint.manifest.environment == {"threads": "1"}
    assert [path.name for path in files_of(saved)] == [
        "choices.json", "ema.safetensors", "manifest.json", "network.safetensors", "optimizer.safetensors", "state.json",
    ]  # fmt: skip


def test_a_flipped_bit_is_detected_and_the_previous_checkpoint_is_used(saved):
    rng, warned = random.Random(0), []
    for path in files_of(saved) * 34:  # 204 flips, as many in each file
        data = bytearray(path.read_bytes())
        at = rng.randrange(8 * len(data))
        data[at // 8] ^= 1 << at % 8
        whole = path.read_bytes()
        path.write_bytes(data)
        warned.clear()
        checkpoint = latest_checkpoint(saved, warned.append)
        assert checkpoint.state.step == 1, f"bit {at} of {path.name}"
        assert len(warned) == 1
        assert path.name in warned[0]
        path.write_bytes(whole)
    assert latest_checkpoint(saved).state.step == 2


@pytest.mark.parametrize("keep", range(0, 100, 10))
def test_a_truncated_file_is_detected(saved, keep):
    for path in files_of(saved):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) * keep // 100])
        assert latest_checkpoint(saved).state.step == 1, path.name
        path.write_bytes(whole)


def test_a_missing_file_or_manifest_is_detected(saved):
    for path in files_of(saved):
        whole = path.read_bytes()
        path.unlink()
        assert latest_checkpoint(saved).state.step == 1, path.name
        path.write_bytes(whole)


def test_bytes_that_change_after_the_check_are_not_loaded(saved):
    checkpoint = latest_checkpoint(saved)
    path = checkpoint.folder / "network.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    network = torch.nn.Linear(6, 5)
    with pytest.raises(CheckpointError, match=r"network\.safetensors is damaged"):
        checkpoints.restore(checkpoint, network, torch.nn.Linear(6, 5), torch.optim.AdamW(network.parameters()))


def test_it_is_an_error_if_all_checkpoints_are_damaged(saved):
    for folder in saved.iterdir():
        (folder / "ema.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="no intact checkpoint is left"):
        latest_checkpoint(saved)


def test_a_checkpoint_of_a_later_schema_is_refused(saved):
    folder = latest_checkpoint(saved).folder
    (folder / "manifest.json").unlink()
    (folder / "state.json").write_text(json.dumps({"schema": 99, "step": 2}))
    shutil.rmtree(saved / "step_00000001")
    with pytest.raises(CheckpointError, match="another version of the workbench"):
        latest_checkpoint(saved)


def test_a_checkpoint_that_fails_its_check_does_not_replace_older_ones(saved, monkeypatch):
    network = torch.nn.Linear(6, 5)

    def broken(manifest, folder):
        raise CheckpointError("the disk returns other bytes")

    monkeypatch.setattr("workbench.training.manifest.Manifest.check", broken)
    with pytest.raises(CheckpointError, match="other bytes"):
        checkpoints.save(saved, TrainState(step=3), network, network, torch.optim.AdamW(network.parameters()), About())
    monkeypatch.undo()
    assert {path.name for path in saved.iterdir()} == {"step_00000001", "step_00000002", "step_00000003"}


def test_a_run_of_schema_1_can_be_resumed(parts_of, tmp_path):
    """The fixture was written by version 0.1.0, which had no manifests and journals."""
    old = RunFolder(tmp_path / "home" / "runs" / "old")
    shutil.copytree(FIXTURES / "run_schema_1", old.path)
    before = old.numbers()
    assert [line["step"] for line in before if "train/loss" in line["metrics"]] == [1, 2, 3, 4]
    resume = latest_checkpoint(old.checkpoints)
    assert (resume.state.step, resume.manifest) == (4, None)
    parts = parts_of("denoiser={use='small_cnn', channels=8, depth=1}", "train.batch_size=4")
    stream = train(parts, old.checkpoints, resume=resume, run=old.id, recorded=old.recorded)
    assert list(record_run(stream, old, NullTracker(), print))[-1].phase == "finished"
    assert [line["step"] for line in old.numbers() if "train/loss" in line["metrics"]] == [1, 2, 3, 4, 5, 6]
    assert latest_checkpoint(old.checkpoints).manifest is not None


@pytest.mark.parametrize(
    ("changed", "level"),
    [({}, "bit"), ({"threads": "2"}, "inputs"), ({"torch": "3"}, "inputs"), ({"compute": "bf16"}, "inputs"), ({"device": "a GPU"}, "inputs"),
     ({"recipe": "other"}, "statistical"), ({"data": "other"}, "statistical"), ({"components": "other"}, "statistical"),
     ({"workbench": "other"}, "statistical"), ({"threads": "2", "data": "other"}, "statistical")],
)  # fmt: skip
def test_the_level_of_agreement_is_that_of_the_largest_difference(parts_of, changed, level):
    here = {"recipe": recipe_hash(parts_of()), **environment(parts_of())}
    assert here.keys() >= {"device", "processor", "threads", "compute", "torch", "data", "components", "workbench"}
    result = agreement(here, here | changed)
    assert result.level == level
    assert len(result.reasons) >= len(changed)


def test_the_location_of_the_data_does_not_change_the_recipe_hash(parts_of, tmp_path):
    parts = parts_of()

    def in_folder(name):
        dataset = Slot(use="folder", component=Folder(root=tmp_path / name))
        return dataclasses.replace(parts, recipe=parts.recipe.model_copy(update={"dataset": dataset}))

    assert recipe_hash(in_folder("here")) == recipe_hash(in_folder("there")) != recipe_hash(parts)


def test_bit_equality_is_not_promised_on_a_gpu(parts_of):
    here = {**environment(parts_of()), "device": "a GPU"}
    assert agreement(here, here).level == "inputs"


def test_only_one_process_writes_a_run(tmp_path):
    run = create_run(tmp_path, "cars")
    assert run.status() == "KILLED"  # run.json states RUNNING, but no process holds the lock
    with run.writing():
        assert run.status() == "RUNNING"
        with pytest.raises(CheckpointError, match=r"is being written by process \d+"), run.writing():
            pass
    with run.writing():
        pass


def test_unfinished_files_of_a_killed_process_are_removed(tmp_path):
    run = create_run(tmp_path, "cars")
    (run.checkpoints / ".writing_abc").mkdir(parents=True)
    (run.checkpoints / ".writing_abc" / "network.safetensors").write_bytes(b"half")
    (run.path / ".writing_run.1234.json").write_bytes(b"half")
    with run.writing():
        assert not list(run.path.rglob(".writing_*"))
