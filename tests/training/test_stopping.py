"""A requested stop ends any long operation within one call of the network, and no work is lost."""

import pytest
import torch

from workbench.evaluation.distances import prepare_references
from workbench.evaluation.evaluation import evaluate
from workbench.evaluation.pictures import nearest
from workbench.progress import Stop, Stopped
from workbench.recipe import save
from workbench.runs.combinations.evaluator import CombinationEvaluator, Measurement
from workbench.runs.folder import create_run
from workbench.runs.spec import RunSpec
from workbench.training.checkpoint import latest_checkpoint
from workbench.training.loop import train
from workbench.training.validation import validation_losses

CPU = torch.device("cpu")
SMALL = ["denoiser={use='small_cnn', channels=8, depth=1}", "train.fast_path=off"]


class Counting:
    """Counts the calls of a network and requests a stop at one of them."""

    def __init__(self, network, at):
        self.stop, self.at, self.calls = Stop(), at, 0
        self.handle = network.register_forward_hook(self._called)

    def _called(self, *_):
        self.calls += 1
        if self.calls == self.at:
            self.stop.request()


@pytest.fixture
def parts(parts_of):
    """One batch of 30 sampler steps for the distances, and 40 steps for the images at the end."""
    return parts_of(*SMALL, "evaluate.sampler={use='ddim', steps=30}", "sampler={use='ddim', steps=40}")


@pytest.mark.parametrize("at", [3, 35])
def test_a_stopped_evaluation_ends_within_a_step_of_the_sampler(parts, at):
    counting = Counting(parts.network, at)
    moments = list(evaluate(parts, parts.network, 5, counting.stop, final=True))
    assert counting.calls <= at + 1
    assert not any("eval/seconds" in moment.metrics for moment in moments)


def test_an_evaluation_that_is_not_stopped_makes_all_steps(parts):
    counting = Counting(parts.network, None)
    moments = list(evaluate(parts, parts.network, 5, counting.stop, final=True))
    assert counting.calls == 30 + 40
    assert "eval/seconds" in moments[-1].metrics


def test_a_stopped_validation_ends_within_a_part(parts):
    counting = Counting(parts.network, 1)
    with pytest.raises(Stopped):
        validation_losses(parts, parts.network, counting.stop)
    assert counting.calls <= 16  # 128 images in batches of 8 per part, of which there are four


def test_stopped_features_of_the_data_end_within_a_batch(parts_of, tmp_path, monkeypatch):
    parts, batches = parts_of("evaluate.features=['efficientnet_lite0']", "evaluate.real=200"), []
    stop = Stop()
    images = parts.train.images
    monkeypatch.setattr(
        type(parts.train), "images", lambda self, index: (batches.append(len(index)), stop.request(), images(index))[-1]
    )
    with pytest.raises(Stopped):
        prepare_references(parts.recipe, parts.train, tmp_path, CPU, stop)
    assert batches == [64]
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_stopped_search_for_neighbours_ends_within_a_block(parts):
    stop = Stop()
    stop.request()
    with pytest.raises(Stopped):
        nearest(torch.zeros(1, 3, 16, 16, dtype=torch.uint8), parts, 2, stop)


def test_a_stopped_measurement_of_a_combination_ends_within_a_step(parts_of, tmp_path):
    parts = parts_of(*SMALL, "evaluate.features=['efficientnet_lite0']", "train.steps=1", "train.validate_every=0")
    run = create_run(tmp_path, "tiny")
    save(parts.recipe, run.recipe)
    list(train(parts, run.checkpoints))
    stop = Stop()
    measurement = Measurement(8, 0, 4, parts.recipe.evaluate.features)
    evaluator = CombinationEvaluator(
        run, parts.recipe, RunSpec.of(parts.spec, parts.train, parts.test), measurement, CPU, parts.cache, stop=stop
    )
    stop.request()
    with pytest.raises(Stopped):
        evaluator.measure(parts.recipe.evaluation_sampler)
    assert not list(run.evaluations.glob("*"))


def losses(moments):
    return {moment.step: moment.metrics["val/loss"] for moment in moments if "val/loss" in moment.metrics}


def test_a_stopped_validation_is_repeated_when_the_run_is_resumed(parts_of, tmp_path):
    whole = losses(train(parts_of(*SMALL), tmp_path / "whole"))
    stop, first = Stop(), []
    for moment in train(parts_of(*SMALL), tmp_path / "parts", stop=stop):
        first.append(moment)
        if moment.step == 3:  # its loss has been logged, and its validation comes next
            stop.request()
    assert (losses(first), latest_checkpoint(tmp_path / "parts").state.step) == ({}, 3)
    resumed = losses(train(parts_of(*SMALL), tmp_path / "parts", resume=latest_checkpoint(tmp_path / "parts")))
    assert whole == resumed
    assert set(whole) == {3, 6}
