"""Training, from a recipe to its end, on networks small enough for a test."""

import math

import pytest
import torch

from workbench.compute.device import choose_device
from workbench.errors import CheckpointError, NonFiniteLoss, TrackingError
from workbench.interfaces import NullTracker
from workbench.progress import Stop
from workbench.recipe import Train, save
from workbench.runs.folder import create_run, find_run
from workbench.runs.recording import record_run
from workbench.runs.weights import load_generator
from workbench.training.average import WeightAverage
from workbench.training.batches import Batches, prefetch
from workbench.training.checkpoint import latest_checkpoint
from workbench.training.gradients import gradient_function
from workbench.training.loop import train
from workbench.training.rate import learning_rate


def state_of(folder):
    newest = latest_checkpoint(folder)
    return newest.state.step, {path.name: newest.tensors(path.name) for path in newest.folder.glob("*.safetensors")}


def assert_equal_states(a, b):
    assert a[0] == b[0]
    assert a[1].keys() == b[1].keys() == {"network.safetensors", "ema.safetensors", "optimizer.safetensors"}
    for name, tensors in a[1].items():
        assert tensors.keys() == b[1][name].keys()
        assert all(torch.equal(value, b[1][name][key]) for key, value in tensors.items())


def test_a_run_yields_losses_images_and_its_end(parts_of, tmp_path):
    moments = list(train(parts_of(), tmp_path))
    assert moments[-1].phase == "finished"
    losses = [moment.metrics["train/loss"] for moment in moments if "train/loss" in moment.metrics]
    assert len(losses) == 6
    assert losses[0] == pytest.approx(1.0, abs=0.1)  # the untrained network predicts 0, and noise has variance 1
    assert all(map(math.isfinite, losses))
    assert [moment.step for moment in moments if "val/loss" in moment.metrics] == [3, 6]
    assert {"samples", "denoising", "noising", "neighbours", "sampler"} == {key for moment in moments for key in moment.pictures}
    assert any(moment.files.get("denoising.gif", b"").startswith(b"GIF89a") for moment in moments)


def test_training_again_gives_the_same_weights(parts_of, tmp_path):
    for name in ("a", "b"):
        list(train(parts_of("denoiser.dropout=0.2"), tmp_path / name))
    assert_equal_states(state_of(tmp_path / "a"), state_of(tmp_path / "b"))


def test_a_resumed_run_ends_with_the_same_state_as_an_uninterrupted_one(parts_of, tmp_path):
    list(train(parts_of("denoiser.dropout=0.2"), tmp_path / "whole"))
    stop = Stop()
    for moment in train(parts_of("denoiser.dropout=0.2"), tmp_path / "parts", stop=stop):
        if moment.step == 3:
            stop.request()
    assert moment.phase == "killed"
    assert latest_checkpoint(tmp_path / "parts").state.step == 3
    resumed = list(train(parts_of("denoiser.dropout=0.2"), tmp_path / "parts", resume=latest_checkpoint(tmp_path / "parts")))
    assert resumed[-1].phase == "finished"
    assert_equal_states(state_of(tmp_path / "whole"), state_of(tmp_path / "parts"))


def test_a_short_training_reduces_the_loss(parts_of, tmp_path):
    overrides = [
        "train.steps=150",
        "train.learning_rate=3e-3",
        "train.batch_size=16",
        "train.validate_every=0",
        "train.log_every=50",
        "train.ema=0.9",
    ]
    moments = list(train(parts_of(*overrides), tmp_path))
    final = next(moment.metrics["val/loss"] for moment in reversed(moments) if "val/loss" in moment.metrics)
    assert final < 0.35


def test_a_loss_that_is_not_finite_ends_the_run_before_it_changes_the_weights(parts_of, tmp_path):
    parts = parts_of("train.checkpoint_every=1")
    seen = []
    stream = train(parts, tmp_path)
    with pytest.raises(
        NonFiniteLoss, match=r"step 2: .*t between .* learning rate 0\.\d+.*step_00000002.*Lower train.learning_rate"
    ) as caught:
        for moment in stream:
            seen.append(moment)
            if moment.checkpoint and moment.step == 2:
                parts.network.enter.weight.data.fill_(float("nan"))
    assert caught.value.step == 2
    step, tensors = state_of(tmp_path)
    assert step == 2
    assert all(torch.isfinite(value).all() for value in tensors["network.safetensors"].values())


def test_a_run_ends_after_max_minutes(parts_of, tmp_path):
    moments = list(
        train(
            parts_of(
                "train.steps=1_000_000", "train.max_minutes=0.02", "train.checkpoint_every=100_000", "train.validate_every=0"
            ),
            tmp_path,
        )
    )
    assert moments[-1].phase == "finished"
    assert 0 < moments[-1].step < 1000


def test_batches_are_a_function_of_the_step(parts_of):
    parts = parts_of()
    batches = Batches(parts.recipe, parts.train, parts.objective, parts.device)
    again = Batches(parts.recipe, parts.train, parts.objective, parts.device)
    for step in (0, 5, 1000):
        one, two = batches.at(step), again.at(step)
        assert torch.equal(one.x0, two.x0)
        assert torch.equal(one.eps, two.eps)
        assert torch.equal(one.t, two.t)
    assert not torch.equal(batches.at(0).x0, batches.at(1).x0)


def test_an_epoch_visits_every_image_once(parts_of):
    batches = Batches(*(lambda parts: (parts.recipe, parts.train, parts.objective, parts.device))(parts_of()))
    chosen = [index for step in range(1000) for index in batches._chosen(torch.arange(step * 8, step * 8 + 8))]
    assert sorted(chosen) == list(range(8000))


def test_labels_are_hidden_with_the_frequency_of_the_recipe(parts_of):
    parts = parts_of("train.condition=true", "train.label_dropout=0.25", "train.batch_size=2000")
    cond = Batches(parts.recipe, parts.train, parts.objective, parts.device).at(0).cond
    assert (cond == -1).float().mean().item() == pytest.approx(0.25, abs=0.04)
    assert set(cond.tolist()) == set(range(-1, 7))


def test_the_learning_rate_is_a_function_of_the_step():
    constant, cosine = (
        Train(steps=1000, warmup=10, learning_rate=1.0),
        Train(steps=1000, warmup=10, learning_rate=1.0, decay="cosine"),
    )
    assert [learning_rate(constant, step) for step in (0, 4, 9, 10, 999)] == pytest.approx([0.1, 0.5, 1.0, 1.0, 1.0])
    assert [learning_rate(cosine, step) for step in (4, 10, 505, 1000)] == pytest.approx([0.5, 1.0, 0.5, 0.0], abs=1e-12)


def test_the_average_of_the_weights_equals_its_recursion():
    layer = torch.nn.Linear(2, 1, bias=False)
    average, expected = WeightAverage(layer, 0.5), layer.weight.detach().clone()
    for step in range(1, 20):
        layer.weight.data.add_(1.0)
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * layer.weight.detach()
        torch.testing.assert_close(average.network.weight, expected)


def test_damaged_checkpoints_and_those_of_another_network_are_refused(parts_of, tmp_path):
    list(train(parts_of(), tmp_path))
    newest = latest_checkpoint(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"step_00000004", "step_00000006"}
    other = parts_of("denoiser.channels=16")
    with pytest.raises(CheckpointError, match="does not fit the network"):
        list(train(other, tmp_path, resume=newest))
    (newest.folder / "network.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(CheckpointError, match=r"network\.safetensors is a pickle.*step_00000006"):
        list(train(parts_of(), tmp_path, resume=newest))


class Refusing(NullTracker):
    """A tracker whose server is unreachable."""

    status = None

    def metrics(self, values, step):
        raise TrackingError("gone")

    def finish(self, status):
        Refusing.status = status


def test_a_run_continues_and_keeps_its_metrics_when_tracking_fails(parts_of, tmp_path):
    run, warnings = create_run(tmp_path, "tiny"), []
    moments = list(record_run(train(parts_of(), run.checkpoints), run, Refusing(), warnings.append))
    assert moments[-1].phase == "finished"
    assert len(warnings) == 1
    assert "gone" in warnings[0]
    metrics, _ = run.final()
    assert {"train/loss", "val/loss", "eval/nfe"} <= metrics.keys()
    assert metrics["eval/nfe"] == 2
    assert run.info()["status"] == "FINISHED"
    assert run.newest_picture("samples").stat().st_size > 100


def test_a_run_that_fails_has_the_status_failed(parts_of, tmp_path):
    run = create_run(tmp_path, "tiny")

    def failing():
        yield from []
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError):
        list(record_run(failing(), run, NullTracker(), print))
    assert run.info()["status"] == "FAILED"


def test_a_trained_run_draws_the_same_images_in_any_batch(parts_of, tmp_path):
    run, parts = create_run(tmp_path, "tiny"), parts_of()
    save(parts.recipe, run.recipe)
    list(train(parts, run.checkpoints))
    generator, step = load_generator(run, parts.recipe, parts.spec, choose_device("cpu"))
    whole = generator.draw(parts.recipe.sampler, range(5), 0).images
    assert (whole.shape, step) == ((5, 3, 16, 16), 6)
    torch.testing.assert_close(generator.draw(parts.recipe.sampler, range(3, 5), 0).images, whole[3:], rtol=1e-4, atol=1e-4)


def test_runs_are_found_by_id_path_name_and_latest(tmp_path):
    first, second = create_run(tmp_path, "cars"), create_run(tmp_path, "cars")
    for run in (first, second):
        run.recipe.write_text("")
    (tmp_path / "runs" / "junk").mkdir()
    assert find_run(tmp_path, "latest").id in (first.id, second.id)
    assert find_run(tmp_path, first.id) == first
    assert find_run(tmp_path, str(first.path)).id == first.id
    assert find_run(tmp_path, "cars").id in (first.id, second.id)
    with pytest.raises(CheckpointError, match=r"no run 'nothing' in .*; runs there: cars"):
        find_run(tmp_path, "nothing")
    with pytest.raises(CheckpointError, match=r"none yet: wb run recipes/cars_linear.toml"):
        find_run(tmp_path / "empty", "latest")


def test_a_prefetched_batch_is_the_batch_of_its_step(parts_of):
    parts = parts_of()
    batches = Batches(parts.recipe, parts.train, parts.objective, parts.device)
    made = []

    def make(step):
        made.append(step)
        return batches.at(step)

    early = prefetch(make)
    for step in (0, 1, 2, 7, 8):  # 7: as after a resume
        assert torch.equal(early(step).eps, batches.at(step).eps)
    assert made[:3] == [0, 1, 2]
    assert made.count(1) == made.count(2) == made.count(8) == 1


@pytest.mark.parametrize("rows", [1, 3, 8])
def test_micro_batches_give_the_gradients_of_the_whole_batch(parts_of, rows):
    parts = parts_of("train.fast_path='off'")
    batch = Batches(parts.recipe, parts.train, parts.objective, parts.device).at(0)
    network, computed = parts.network, parts.compute.wrap(parts.network)
    with torch.no_grad():  # the untrained network ends in zeros
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))

    def gradients(rows_at_once):
        losses = gradient_function(parts.objective, computed, network, rows_at_once)(batch, 0)
        return losses, [parameter.grad.clone() for parameter in network.parameters()]

    (whole_losses, whole), (losses, accumulated) = gradients(8), gradients(rows)
    torch.testing.assert_close(losses, whole_losses, rtol=1e-5, atol=1e-6)
    for one, other in zip(whole, accumulated, strict=True):
        assert (one - other).norm() <= 1e-5 * one.norm()


def test_a_run_with_micro_batches_learns_what_the_whole_batch_learns(parts_of, tmp_path):
    list(train(parts_of("train.fast_path='off'"), tmp_path / "whole"))
    list(train(parts_of("train.fast_path='off'", "train.micro_batch=3"), tmp_path / "parts"))
    (step, whole), (other_step, parts) = state_of(tmp_path / "whole"), state_of(tmp_path / "parts")
    assert step == other_step == 6
    for name, tensor in whole["network.safetensors"].items():
        torch.testing.assert_close(parts["network.safetensors"][name], tensor, rtol=1e-3, atol=1e-5)
