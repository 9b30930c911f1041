"""On a GPU: recordings, compiled blocks and asynchronous batches work, and results equal those of the CPU."""

import time
import warnings

import pytest
import torch

from wb_features.efficientnet_lite0 import EfficientNetLite0
from workbench.compute.computation import Compute, choose_compute
from workbench.errors import OutOfMemory
from workbench.evaluation.reference import extract
from workbench.metrics import frechet_distance
from workbench.random import Stream
from workbench.sampling.generator import Generator
from workbench.training.batches import Batches
from workbench.training.checkpoint import latest_checkpoint
from workbench.training.gradients import gradient_function
from workbench.training.loop import train

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
CUDA = torch.device("cuda")
UNET = "denoiser={use='unet', channels=32, multipliers=[1, 2], blocks=1, attention=[8], dropout=0.1}"


@pytest.fixture
def parts_on(parts_of):
    """Parts of the small recipe on a device, with exact float32."""
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield lambda device, *overrides: parts_of(*overrides, device=device)
    torch.backends.cudnn.allow_tf32 = allowed


def with_random_weights(network):
    """The network with noise added to its weights, so that its output depends on all of them."""
    generator = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        parameter.data += 0.02 * torch.randn(parameter.shape, generator=generator).to(parameter.device)
    return network


def gradients_on(parts, compute, batch, recorded=False):
    network = with_random_weights(parts.network).train()
    learn = gradient_function(parts.objective, compute.wrap(network), network, len(batch.x0), batch if recorded else None)
    losses = [learn(batch, seed).cpu() for seed in (1, 2, 1)]
    assert torch.equal(losses[0], losses[2])
    assert not torch.equal(losses[0], losses[1])  # another seed, another dropout
    return losses[0], [parameter.grad.cpu() for parameter in network.parameters()]


def test_noise_is_the_same_as_on_the_cpu():
    index = torch.tensor([0, 1, 5, 2**31])
    here, there = (Stream(3, "noise").normal(7, index, (3, 16, 16), device=device).cpu() for device in ("cpu", "cuda"))
    torch.testing.assert_close(there, here, rtol=1e-6, atol=1e-6)


def test_a_recorded_step_equals_the_step(parts_on):
    gradients = {}
    for recorded in (False, True):
        parts = parts_on(CUDA, UNET)
        batch = Batches(parts.recipe, parts.train, parts.objective, CUDA).at(0)
        gradients[recorded] = gradients_on(parts, Compute(CUDA), batch, recorded)
    torch.testing.assert_close(gradients[True], gradients[False], rtol=1e-4, atol=1e-6)


def test_a_step_equals_that_of_the_cpu(parts_on):
    results = []
    for device in (torch.device("cpu"), CUDA):
        parts = parts_on(device, UNET, "denoiser.dropout=0")
        network = with_random_weights(parts.network).train()
        learn = gradient_function(parts.objective, Compute(device).wrap(network), network, parts.recipe.train.batch_size)
        losses = learn(Batches(parts.recipe, parts.train, parts.objective, device).at(0), 1)
        results.append((losses.cpu(), [parameter.grad.cpu() for parameter in network.parameters()]))
    torch.testing.assert_close(results[1], results[0], rtol=1e-3, atol=1e-5)


def gradient_error(parts_on, parts, chosen):
    """The relative error of the gradients of a step, compared with those in plain float32."""
    batch = Batches(parts.recipe, parts.train, parts.objective, CUDA).at(0)
    plain = parts_on(CUDA, UNET, "denoiser.dropout=0")
    network = with_random_weights(plain.network).train()
    gradient_function(plain.objective, Compute(CUDA).wrap(network), network, len(batch.x0))(batch, 1)
    fast = with_random_weights(parts.network).train()
    gradient_function(parts.objective, chosen.for_training(fast), fast, len(batch.x0), batch)(batch, 1)
    exact, near = (torch.cat([parameter.grad.flatten() for parameter in net.parameters()]) for net in (network, fast))
    return float((near - exact).norm() / exact.norm())


def test_the_chosen_computation_is_close_to_plain_float32(parts_on):
    parts = parts_on(CUDA, UNET, "train.precision='auto'", "denoiser.dropout=0")
    chosen = choose_compute(parts.recipe.train, parts.network, parts.spec, CUDA, replayable=True)
    assert chosen.describe() == "bf16, CUDA graphs"
    assert gradient_error(parts_on, parts, chosen) < 0.03


@pytest.mark.long
def test_compiled_blocks_are_close_to_plain_float32(parts_on):
    parts = parts_on(CUDA, UNET, "train.steps=20000", "train.precision='auto'", "denoiser.dropout=0")
    chosen = choose_compute(parts.recipe.train, parts.network, parts.spec, CUDA, replayable=True)
    assert chosen.describe() == "bf16, compiled, CUDA graphs"
    assert gradient_error(parts_on, parts, chosen) < 0.03


def test_steps_do_not_wait_for_the_gpu(parts_on, tmp_path):
    parts = parts_on(CUDA, UNET, "train.precision='auto'", "train.steps=64", "train.log_every=16", "train.validate_every=0",
                     "train.checkpoint_every=1000")  # fmt: skip
    stream = train(parts, tmp_path)
    next(stream)  # compiled and recorded
    with warnings.catch_warnings(record=True) as waits:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            next(stream)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    stream.close()
    # Metrics are read once in the 16 steps: the check that they are finite, the loss and the norm of the gradient.
    synchronizing = [warning for warning in waits if "called a synchronizing" in str(warning.message)]
    assert len(synchronizing) <= 3, [f"{warning.filename}:{warning.lineno}" for warning in waits]


def test_the_reported_speed_is_that_of_the_clock(parts_on, tmp_path):
    parts = parts_on(CUDA, UNET, "train.precision='auto'", "train.steps=4000", "train.log_every=200", "train.validate_every=0",
                     "train.checkpoint_every=100000", "train.batch_size=64")  # fmt: skip
    stream = train(parts, tmp_path)
    for _ in range(5):  # until the time for compiling no longer counts
        next(stream)
    started = time.perf_counter()
    for _ in range(5):
        moment = next(stream)
    seconds = time.perf_counter() - started
    stream.close()
    assert moment.images_per_second == pytest.approx(5 * 200 * 64 / seconds, rel=0.3)


def test_a_resumed_run_ends_close_to_one_that_was_not_interrupted(parts_on, tmp_path):
    settings = [
        UNET,
        "train.precision='auto'",
        "train.steps=30",
        "train.log_every=10",
        "train.checkpoint_every=10",
        "train.validate_every=0",
    ]
    list(train(parts_on(CUDA, *settings), tmp_path / "whole"))
    stream = train(parts_on(CUDA, *settings), tmp_path / "parts")
    for moment in stream:
        if moment.checkpoint and moment.step == 20:
            break
    stream.close()
    list(train(parts_on(CUDA, *settings), tmp_path / "parts", resume=latest_checkpoint(tmp_path / "parts")))
    ends = [latest_checkpoint(tmp_path / name).tensors("network.safetensors") for name in ("whole", "parts")]
    assert ends[0].keys() == ends[1].keys()
    worst = max(float((ends[0][name] - ends[1][name]).abs().max()) for name in ends[0])
    assert worst < 2e-3, worst


def test_images_drawn_by_replay_equal_those_of_the_cpu(parts_on):
    images = {}
    for device in ("cpu", "cuda"):
        parts = parts_on(torch.device(device), UNET)
        compute = Compute(parts.device, replayed=device == "cuda")
        generator = Generator(with_random_weights(parts.network), parts.objective, parts.spec, compute)
        slot = parts.recipe.evaluation_sampler.model_copy(update={"steps": 8})
        images[device] = [generator.draw(slot, range(first, first + 4), 0).images.cpu() for first in (0, 4)]
    torch.testing.assert_close(images["cuda"], images["cpu"], rtol=1e-3, atol=1e-3)


def test_distances_equal_those_of_the_cpu():
    generator = torch.Generator().manual_seed(0)
    sets = [torch.randint(low, 256, (64, 3, 32, 32), generator=generator, dtype=torch.uint8) for low in (0, 60)]
    numbers = []
    for device in (torch.device("cpu"), CUDA):
        function = EfficientNetLite0(precision="fp32").build(device)
        numbers.append(frechet_distance(*(extract(function, images, device) for images in sets)))
    assert numbers[1] == pytest.approx(numbers[0], rel=2e-3)


def test_the_error_for_a_batch_that_does_not_fit_names_its_size(parts_on, tmp_path):
    parts = parts_on(CUDA, "denoiser={use='unet', channels=512, multipliers=[1, 1], blocks=4, attention=[]}", "train.batch_size=65536",
                     "train.precision='fp32'", "train.fast_path='off'")  # fmt: skip
    with pytest.raises(OutOfMemory, match=r"train.batch_size = 65536 did not fit into memory .*or --set train.batch_size=32768"):
        list(train(parts, tmp_path))
