"""Evaluations of a run: what they keep, what they cost, and that they measure the images they drew."""

import time
from contextlib import closing

import pytest
import torch

from workbench.compute.computation import Compute
from workbench.compute.fast.choices import Choices
from workbench.evaluation.distances import Distances
from workbench.evaluation.pictures import to_uint8
from workbench.evaluation.reference import Reference
from workbench.evaluation.samples import SampleSet, draw_samples
from workbench.interfaces import NullTracker
from workbench.model.build import assemble
from workbench.recipe import load
from workbench.runs.durations import measure_durations
from workbench.runs.folder import create_run
from workbench.runs.recording import record_run
from workbench.sampling.batch_size import fastest_batch_size
from workbench.sampling.generator import Generator
from workbench.sampling.nfe import expected_nfe
from workbench.training.loop import train

CPU = torch.device("cpu")
SETTINGS = [
    "train.precision=fp32",
    "train.log_every=1",
    "evaluate={samples=20, real=24, every=2, at_start=true, grid=5, neighbours=3, features=['efficientnet_lite0']}",
    "evaluate.sampler={use='ddim', eta=1.0, steps=3}",
    "seed=3",
]


@pytest.fixture(scope="module")
def parts(tiny, cache):
    return assemble(load(tiny, SETTINGS), CPU, cache)


@pytest.fixture(scope="module")
def generator(parts):
    torch.manual_seed(0)
    for parameter in parts.network.parameters():  # an untrained network predicts zero for every image
        torch.nn.init.normal_(parameter, std=0.1)
    return Generator.of(parts, parts.network)


@pytest.fixture(scope="module")
def distances(parts):
    extractor = parts.recipe.evaluate.features[0].component.model_copy(update={"precision": "fp32"})
    return Distances(extractor, Reference.of(parts.train, 24, parts.cache, CPU))


@pytest.mark.parametrize("batch_size", [3, 8, 20, 64])
def test_images_become_features_as_they_are_drawn_and_few_are_kept(parts, generator, distances, batch_size):
    slot = parts.recipe.evaluation_sampler
    whole = to_uint8(generator.draw(slot, range(20), 3).images)
    counts, samples = [], SampleSet(20, keep=5)
    for batch in draw_samples(generator, slot, 20, batch_size, 3, lambda index: None, [distances]):
        samples.add(batch)
        counts.append(samples.count)
        assert len(samples.images) == min(5, samples.count)
    assert counts == [*range(batch_size, 20, batch_size), 20]
    assert torch.equal(samples.images, whole[:5])
    torch.testing.assert_close(samples.features[0], distances.features(whole), rtol=1e-4, atol=1e-4)
    assert (samples.seconds > 0.0, samples.nfe) == (True, expected_nfe(slot, parts.recipe.schedule.component))


def test_without_extractors_images_are_only_drawn(parts, generator):
    samples = SampleSet(7, keep=100)
    for batch in draw_samples(generator, parts.recipe.evaluation_sampler, 7, 4, 3, lambda index: None, []):
        samples.add(batch)
    assert (samples.count, len(samples.images), samples.features) == (7, 7, [])


def test_a_run_tells_what_its_evaluations_cost(parts, tmp_path):
    run = create_run(tmp_path, "tiny")
    moments = list(record_run(train(parts, run.checkpoints), run, NullTracker(), pytest.fail))
    seconds = {moment.step: moment.metrics["eval/seconds"] for moment in moments if "eval/seconds" in moment.metrics}
    assert set(seconds) == {0, 2, 4}
    sampling = [moment.metrics["eval/sampling_seconds"] for moment in moments if "eval/sampling_seconds" in moment.metrics]
    assert all(0.0 < part < whole for part, whole in zip(sampling, seconds.values(), strict=True))
    told, (metrics, _) = measure_durations(run), run.final()
    assert told.evaluation == metrics["eval/total_seconds"] == pytest.approx(sum(seconds.values()))
    assert told.training == pytest.approx(60.0 * metrics["train/minutes"])
    assert told.share == metrics["eval/share"] == pytest.approx(told.evaluation / (told.evaluation + told.training))
    assert 0.0 < told.share < 1.0
    assert moments[-1].metrics["eval/share"] == told.share


def test_a_step_that_was_evaluated_again_counts_once(tmp_path):
    run = create_run(tmp_path, "tiny")
    with closing(run.journal()) as journal:
        for step, metrics in [
            (10, {"train/minutes": 1.0}),
            (10, {"eval/seconds": 50.0}),
            (10, {"eval/seconds": 20.0}),
            (20, {"train/minutes": 2.0}),
        ]:
            journal.numbers_at(step, metrics)
    assert (measure_durations(run).training, measure_durations(run).evaluation, measure_durations(run).share) == (
        120.0,
        50.0,
        50.0 / 170.0,
    )
    assert measure_durations(create_run(tmp_path, "empty")).share == 0.0


class Sleeping:
    """A network whose time per image is known: `seconds` for the batch sizes it likes, ten times that for others."""

    def __init__(self, likes, seconds=3e-4):
        self.likes, self.seconds, self.calls = likes, seconds, 0

    def __call__(self, x, level, cond=None):
        self.calls += 1
        time.sleep(len(x) * self.seconds * (1.0 if len(x) in self.likes else 10.0))
        return x


@pytest.mark.parametrize(("likes", "chosen"), [((16,), 16), ((16, 32), 16), ((64,), 64)])
def test_the_fastest_batch_is_found_once_per_network(parts, tmp_path, likes, chosen):
    network = Sleeping(likes)
    for _ in range(2):  # the second time as another process would, from the kept file
        compute = Compute(CPU, choices=Choices(tmp_path))
        assert fastest_batch_size(network, "sleeping", parts.spec, compute, 1000) == chosen
    assert network.calls == 12
    fastest_batch_size(network, "another", parts.spec, compute, 1000)
    assert network.calls == 24


def test_a_few_images_are_drawn_at_once_without_measuring(parts):
    network = Sleeping((16,))
    assert fastest_batch_size(network, "sleeping", parts.spec, Compute(CPU), 8) >= 8
    assert network.calls == 0


def test_the_generator_chooses_the_batch_size_where_the_recipe_sets_none(parts, generator):
    assert parts.recipe.evaluate.batch_size is None
    assert generator.batch_size(1000) == generator.batch_size(1000)
    (batch,) = draw_samples(generator, parts.recipe.evaluation_sampler, 5, None, 3, lambda index: None, [])
    assert len(batch.images) == 5
