"""Kernels are compiled once and stored; damaged ones and those of other users are not run; without them networks still work."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.compute.fast_cases import build_kernels, images, needs_compiler
from workbench.compute.fast import kernels
from workbench.compute.fast.choices import Choices
from workbench.compute.fast.kernels import Kernels
from workbench.compute.fast.mode import FastPath
from workbench.diffusion import group_norm_silu
from workbench.evaluation.evaluation import evaluate
from workbench.model.build import assemble
from workbench.progress import Stop
from workbench.recipe import save
from workbench.runs.cost import estimate_cost
from workbench.runs.folder import create_run
from workbench.runs.weights import load_generator
from workbench.sampling.generator import Generator
from workbench.training.loop import train


@pytest.mark.long
@needs_compiler
def test_stored_kernels_are_not_built_again(kernels_folder, monkeypatch):
    build_kernels(kernels_folder, "norm_silu_float32")
    monkeypatch.setattr(subprocess, "run", None)
    assert set(Kernels(kernels_folder, builds=True).get("norm_silu_float32")) == {
        "forward",
        "sums",
        "backward",
        "backward_of_fork",
    }


def test_kernels_are_built_once_and_only_if_building_is_enabled(tmp_path, monkeypatch):
    commands, calls = [], []

    def compiler(command, **_):
        commands.append(command[-2:])

    monkeypatch.setattr(kernels, "can_build", lambda: True)
    monkeypatch.setattr(subprocess, "run", compiler)
    assert Kernels(None, builds=True).get("norm_silu_float32") is None
    assert Kernels(tmp_path).get("norm_silu_float32") is None
    assert commands == []
    building = Kernels(tmp_path, builds=True, progress=lambda *call: calls.append(call))
    assert building.get("norm_silu_float32") is building.get("norm_silu_float32") is None
    assert [command[0] for command in commands] == ["norm_silu_float32"]
    assert calls == [(kernels.COMPILING, 0, 1), (kernels.COMPILING, 1, 1)]


def test_nothing_is_compiled_without_training(parts_of, cache, tmp_path, monkeypatch):
    run, short, long = create_run(tmp_path, "tiny"), parts_of(), parts_of("train.steps=1000").recipe
    save(short.recipe, run.recipe)
    list(train(short, run.checkpoints))
    shutil.copytree(cache / "images", tmp_path / "cache" / "images")
    commands = []
    monkeypatch.setattr(kernels, "can_build", lambda: True)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: commands.append(command))
    generator, _ = load_generator(run, long, long.dataset.component.describe(), torch.device("cpu"))
    generator.draw(long.sampler, range(1), 0)
    estimate_cost(long, torch.device("cpu"), tmp_path / "cache")
    assert commands == []
    parts = assemble(long, torch.device("cpu"), tmp_path / "cache")
    Generator.of(parts, parts.network).draw(long.sampler, range(1), 0)  # as a run's own evaluation does
    assert commands != []


def test_a_failing_compiler_runs_once_and_its_output_is_stored(tmp_path, monkeypatch):
    commands = []

    def compiler(command, **_):
        commands.append(command)
        raise subprocess.CalledProcessError(1, command, stderr=b"omp.h: No such file or directory")

    monkeypatch.setattr(kernels, "can_build", lambda: True)
    monkeypatch.setattr(subprocess, "run", compiler)
    assert all(Kernels(tmp_path, builds=True).get("norm_silu_float32") is None for _ in range(2))
    assert len(commands) == 1
    (failed,) = tmp_path.glob("*.failed")
    assert "omp.h: No such file" in failed.read_text()


def test_without_a_compiler_a_network_computes_without_kernels(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    x, weight, bias = images(2, 8, 4, 4).float(), torch.ones(8), torch.zeros(8)
    with FastPath(Choices(), Kernels(tmp_path, builds=True)):
        out = group_norm_silu(x, 2, weight, bias)
    torch.testing.assert_close(out, group_norm_silu(x, 2, weight, bias))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
@needs_compiler
def test_damaged_kernels_and_those_of_other_users_are_not_run(kernels_folder, tmp_path, monkeypatch):
    build_kernels(kernels_folder, "norm_silu_float32")
    (at,) = kernels_folder.glob("norm_silu_float32-*")
    with monkeypatch.context() as other_user:
        other_user.setattr(os, "getuid", lambda: at.stat().st_uid + 1)
        assert Kernels(kernels_folder).get("norm_silu_float32") is None
    copy = tmp_path / at.name
    copy.mkdir()
    for file in at.iterdir():
        (copy / file.name).write_bytes(file.read_bytes()[:1000])
    assert Kernels(copy.parent).get("norm_silu_float32") is None


def test_a_run_resumed_without_its_kernel_computes_as_torch_does():
    choices = Choices()
    choices.restore({"used": {"group norm and SiLU [8, 4, 4] 2 float32 forward": "compiled"}})
    x, weight, bias = images(2, 8, 4, 4).float(), torch.ones(8), torch.zeros(8)
    with FastPath(choices):
        out = group_norm_silu(x, 2, weight, bias)
    assert torch.equal(out, group_norm_silu(x, 2, weight, bias))


@pytest.mark.long
def test_durations_of_training_and_evaluation_exclude_compiling(tmp_path, monkeypatch, parts_of):
    denoiser = "denoiser={use='unet', channels=8, multipliers=[1], blocks=1, attention=[]}"
    parts = parts_of(denoiser, "train.steps=1", "train.batch_size=2", "evaluate.neighbours=0", "sampler.steps=1")
    monkeypatch.setattr(kernels, "can_build", lambda: True)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: time.sleep(1.0))

    def metrics_of(moments):
        slow = Kernels(tmp_path / "kernels", builds=True)
        parts_of_metrics = [moment.metrics for moment in moments(replace(parts, compute=replace(parts.compute, kernels=slow)))]
        assert slow.seconds > 2.0
        return {name: value for metrics in parts_of_metrics for name, value in metrics.items()}

    trained = metrics_of(lambda parts: train(parts, tmp_path))
    assert 60.0 * trained["train/minutes"] < 2.0
    evaluated = metrics_of(lambda parts: evaluate(parts, parts.network, 0, Stop()))
    assert evaluated["eval/sampling_seconds"] < evaluated["eval/seconds"] < 2.0


@needs_compiler
@pytest.mark.skipif(sys.platform != "linux", reason="kernels are for Linux")
def test_the_workers_of_a_killed_compiler_end(tmp_path):
    command = [sys.executable, "-P", "-m", "workbench.compute.fast.building", "norm_float32", str(tmp_path / "built")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60.0
    # Workers are forks with the same command line; other child processes have another one.
    while not (workers := [pid for pid in children_of(process.pid) if "building" in command_of(pid)]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    while any(command_of(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children_of(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def command_of(pid):
    """The command line; empty for a process that has ended, even if its parent has not waited for it."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
