"""Out of memory: one message with the setting to change, and no data lost."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from workbench.compute.memory import explain_out_of_memory, is_out_of_memory
from workbench.errors import OutOfMemory
from workbench.evaluation.evaluation import evaluate
from workbench.evaluation.samples import draw_samples
from workbench.progress import Stop
from workbench.sampling.generator import Generator
from workbench.training.checkpoint import latest_checkpoint
from workbench.training.loop import train

ABSURD = 2**50  # bytes, more than any machine has


class Greedy(nn.Module):
    """A network that allocates more memory than there is when it is not training."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x, level, cond):
        if not self.training:
            torch.empty(ABSURD, dtype=torch.uint8)
        return self.inner(x, level, cond)


def error_of(action):
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        action()
    return caught.value


@pytest.mark.parametrize(
    "action",
    [
        lambda: torch.empty(ABSURD, dtype=torch.uint8),
        lambda: torch.zeros(1).expand(ABSURD).contiguous(),
        lambda: np.empty(ABSURD, np.uint8),
        lambda: bytearray(ABSURD),
    ],
)
def test_errors_of_all_allocators_are_recognized(action):
    assert is_out_of_memory(error_of(action))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_the_error_of_a_gpu_is_recognized():
    error = error_of(lambda: torch.empty(ABSURD, dtype=torch.uint8, device="cuda"))
    with (
        pytest.raises(OutOfMemory, match=r"\(needs 1,048,576\.0 GiB more, has [\d.,]+ [MG]iB\)"),
        explain_out_of_memory("train.batch_size", 8),
    ):
        raise error


@pytest.mark.parametrize(
    "error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("out of memory"), OSError("out of memory")]
)
def test_other_errors_are_not_out_of_memory(error):
    assert not is_out_of_memory(error)
    with pytest.raises(type(error)) as caught, explain_out_of_memory("train.batch_size", 8):
        raise error
    assert caught.value is error


def message_of(key, size, checkpoint=None):
    with pytest.raises(OutOfMemory) as caught, explain_out_of_memory(key, size, checkpoint):
        torch.empty(ABSURD, dtype=torch.uint8)
    return str(caught.value)


def test_the_message_names_the_setting_and_smaller_values(tmp_path):
    message = message_of("train.batch_size", 64, tmp_path)
    assert message.startswith("train.batch_size = 64 did not fit into memory (needs 1,048,576.0 GiB more, has ")
    assert message.endswith(
        "GiB): try --set train.micro_batch=32, which accumulates gradients to the same result up to rounding, "
        f"or --set train.batch_size=32; the last checkpoint is kept in {tmp_path}"
    )
    assert message_of("train.micro_batch", 32).endswith("GiB): try --set train.micro_batch=16")
    assert message_of("evaluate.batch_size", 7).endswith(
        "try --set evaluate.batch_size=3, or --batch-size 3 with wb sample and wb eval"
    )
    assert message_of("train.batch_size", 1).endswith("use a smaller network, or smaller images (dataset.image_size)")


def test_the_tensors_of_a_failed_computation_are_freed():
    freed = []

    class Large:
        def __del__(self):
            freed.append(True)

    def compute():
        large = Large()
        torch.empty(ABSURD, dtype=torch.uint8)
        return large

    with pytest.raises(OutOfMemory) as caught, explain_out_of_memory("train.batch_size", 8):
        compute()
    assert caught.value.__cause__ is not None  # the error is kept, its tensors are not
    assert freed


def test_validation_that_does_not_fit_keeps_the_last_checkpoint(parts_of, tmp_path):
    parts = parts_of("train.validate_every=3", "train.checkpoint_every=2")
    with pytest.raises(OutOfMemory, match=r"^train\.batch_size = 8 .*--set train\.batch_size=4; the last checkpoint is kept in "):
        for _ in train(replace(parts, network=Greedy(parts.network)), tmp_path):
            pass
    checkpoint = latest_checkpoint(tmp_path)
    assert checkpoint is not None
    assert checkpoint.state.step == 2


def test_drawing_that_does_not_fit_names_its_own_batch_size(parts_of):
    parts = parts_of("evaluate.batch_size=3")
    with pytest.raises(OutOfMemory, match=r"^evaluate\.batch_size = 3 .*--set evaluate\.batch_size=1"):
        for _ in evaluate(parts, Greedy(parts.network), 0, Stop()):
            pass
    # If the recipe sets none, the measurement of the fastest batch size fails first.
    generator = Generator.of(parts, Greedy(parts.network))
    with pytest.raises(OutOfMemory, match=r"^evaluate\.batch_size = 64 .*--set evaluate\.batch_size=32"):
        next(draw_samples(generator, parts.recipe.sampler, 100, None, 0, lambda index: None, []))


# Runs several `wb` commands, each in a process limited to a number of bytes in addition to those in use after all imports.
LIMITED = """
import json, os, resource, sys
import workbench.evaluation.pictures, torch, torchvision.transforms.functional
from workbench.cli import main
from workbench.runs.folder import find_run
from workbench.training.checkpoint import latest_checkpoint
from workbench.home import wb_home
torch.set_num_threads(1)
torch.ones(64, 64).matmul(torch.ones(64, 64))  # the libraries behind it are loaded now
torch.optim.AdamW([torch.zeros(1)])  # and torch's compiler, which takes seconds
used = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
results = []
for words, mebibytes in json.load(sys.stdin):
    pid = os.fork()
    if pid == 0:
        for number in (1, 2):
            os.dup2(os.open(f"std{number}", os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), number)
        if mebibytes:
            resource.setrlimit(resource.RLIMIT_AS, (used + mebibytes * 2**20, resource.RLIM_INFINITY))
        sys.argv = ["wb", *words]
        main()
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        run = find_run(wb_home(), "latest")
        checkpoint = latest_checkpoint(run.checkpoints)
        state = [run.status(), checkpoint and checkpoint.state.step]
    except workbench.errors.CheckpointError:
        state = None
    results.append({"code": code, "out": open("std1").read(), "err": open("std2").read(), "state": state})
print(json.dumps(results))
"""
RECIPE = """
name = "tight"
parameterization = "v"
dataset = { use = "folder", root = "pictures", image_size = 16 }
schedule = { use = "linear", steps = 100 }
denoiser = { use = "small_cnn", channels = 32, depth = 2 }
sampler = { use = "ddim", steps = 2 }
train = { steps = 4, batch_size = 8, precision = "fp32", fast_path = "off", checkpoint_every = 1, validate_every = 0, log_every = 1 }
evaluate = { samples = 8, batch_size = 8, every = 2, at_start = false, features = [], grid = 4, neighbours = 0 }
"""
LIMIT = 120  # MiB
COMMANDS = {
    "large network": (
        ["run", "tight.toml", "--no-track", "--set", "denoiser.channels=1024", "--set", "denoiser.depth=40"],
        LIMIT,
    ),
    "large batch": (["run", "tight.toml", "--no-track", "--set", "train.batch_size=8000"], LIMIT),
    "large drawing": (
        ["run", "tight.toml", "--no-track", "--set", "evaluate.batch_size=2000", "--set", "evaluate.samples=2000"],
        LIMIT,
    ),
    "resumed": (["run", "--resume", "latest", "--no-track"], 0),
    "large sample": (["sample", "latest", "-n", "2400", "--batch-size", "2400"], LIMIT),
    "sample by 5": (["sample", "latest", "-n", "16", "--batch-size", "5", "-o", "5.png"], LIMIT),
    "sample by 16": (["sample", "latest", "-n", "16", "--batch-size", "16", "-o", "16.png"], LIMIT),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    (folder / "tight.toml").write_text(RECIPE)
    (folder / "pictures").mkdir()
    for i in range(20):
        Image.new("RGB", (16, 16), (12 * i, 99, 0)).save(folder / "pictures" / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def results(home):
    """By command: exit code, output, and status and checkpoint step of the newest run after it."""
    if sys.platform != "linux":
        pytest.skip("memory cannot be limited here")
    environ = {**os.environ, "WB_HOME": str(home), "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "1000"}
    commands = json.dumps(list(COMMANDS.values()))
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], input=commands, env=environ, cwd=home, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(COMMANDS, json.loads(done.stdout), strict=True))


def error_message(result):
    assert result["code"] == 2, result
    assert "Traceback" not in result["out"] + result["err"]
    return " ".join(line.strip() for line in result["err"].splitlines())


@pytest.mark.long
def test_a_batch_too_large_to_train_on_ends_the_run_with_error_message(results):
    message = error_message(results["large batch"])
    assert message.startswith("error: train.batch_size = 8000 did not fit into memory (needs ")
    assert message.endswith("or --set train.batch_size=4000")
    assert results["large batch"]["state"] == ["FAILED", None]


@pytest.mark.long
def test_a_batch_too_large_to_draw_ends_the_run_and_it_resumes_with_more_memory(results):
    message = error_message(results["large drawing"])
    assert "evaluate.batch_size = 2000 did not fit into memory (needs " in message
    assert "try --set evaluate.batch_size=1000" in message
    assert results["large drawing"]["state"] == ["FAILED", 1]
    assert results["resumed"]["code"] == 0
    assert results["resumed"]["state"] == ["FINISHED", 4]


@pytest.mark.long
def test_a_trained_network_draws_in_batches_that_fit(results, home):
    message = error_message(results["large sample"])
    assert "evaluate.batch_size = 2400 did not fit into memory (needs " in message
    assert "--batch-size 1200 with wb sample" in message
    assert (results["sample by 5"]["code"], results["sample by 16"]["code"]) == (0, 0)
    assert (home / "5.png").read_bytes() == (home / "16.png").read_bytes()


@pytest.mark.long
def test_a_network_too_large_to_be_built_is_error_message(results):
    assert error_message(results["large network"]).startswith("error: there is not enough memory (needs ")
    assert results["large network"]["state"] is None
