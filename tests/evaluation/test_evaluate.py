"""Evaluations of a run: the images they keep, their durations, and that they measure the images they drew."""

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
def test_features_are_computed_batch_by_batch_and_few_images_are_kept(parts, generator, distances, batch_size):
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


def test_a_run_reports_the_durations_of_its_evaluations(parts, tmp_path):
    run = create_run(tmp_path, "tiny")
    moments = list(record_run(train(parts, run.checkpoints), run, NullTracker(), pytest.fail))
    seconds = {moment.step: moment.metrics["eval/seconds"] for moment in moments if "eval/seconds" in moment.metrics}
    assert set(seconds) == {0, 2, 4}
    sampling = [moment.metrics["eval/sampling_seconds"] for moment in moments if "eval/sampling_seconds" in moment.metrics]
    assert all(0.0 < part < whole for part, whole in zip(sampling, seconds.values(), strict=True))
    durations, (metrics, _) = measure_durations(run), run.final()
    assert durations.evaluation == metrics["eval/total_seconds"] == pytest.approx(sum(seconds.values()))
    assert durations.training == pytest.approx(60.0 * metrics["train/minutes"])
    assert (
        durations.share
        == metrics["eval/share"]
        == pytest.approx(durations.evaluation / (durations.evaluation + durations.training))
    )
    assert 0.0 < durations.share < 1.0
    assert moments[-1].metrics["eval/share"] == durations.share


def test_a_step_that_is_evaluated_twice_counts_once(tmp_path):
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
    """A network with a known time per image: `seconds` at the `fast` batch sizes, ten times as long at others."""

    def __init__(self, fast, seconds=3e-4):
        self.fast, self.seconds, self.calls = fast, seconds, 0

    def __call__(self, x, level, cond=None):
        self.calls += 1
        time.sleep(len(x) * self.seconds * (1.0 if len(x) in self.fast else 10.0))
        return x


@pytest.mark.parametrize(("fast", "chosen"), [((16,), 16), ((16, 32), 16), ((64,), 64)])
def test_the_fastest_batch_size_is_measured_once_per_network(parts, tmp_path, fast, chosen):
    network = Sleeping(fast)
    for _ in range(2):  # the second time from the stored file, as another process does
        compute = Compute(CPU, choices=Choices(tmp_path))
        assert fastest_batch_size(network, "sleeping", parts.spec, compute, 1000) == chosen
    assert network.calls == 12
    fastest_batch_size(network, "another", parts.spec, compute, 1000)
    assert network.calls == 24


def test_a_few_images_are_drawn_in_one_batch_without_measuring(parts):
    network = Sleeping((16,))
    assert fastest_batch_size(network, "sleeping", parts.spec, Compute(CPU), 8) >= 8
    assert network.calls == 0


def test_the_generator_chooses_the_batch_size_if_the_recipe_sets_none(parts, generator):
    assert parts.recipe.evaluate.batch_size is None
    assert generator.batch_size(1000) == generator.batch_size(1000)
    (batch,) = draw_samples(generator, parts.recipe.evaluation_sampler, 5, None, 3, lambda index: None, [])
    assert len(batch.images) == 5
