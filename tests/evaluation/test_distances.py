"""A distance that cannot be computed is missing, with a warning that gives the reason; all other results of the run exist."""

import re
from contextlib import closing

import pytest
import torch
from PIL import Image

from workbench.errors import DistanceError
from workbench.evaluation.distances import prepare_references
from workbench.interfaces import ExtractorCard, FeatureExtractor, NullTracker
from workbench.model.build import assemble
from workbench.recipe import Slot, load
from workbench.runs.combinations.evaluator import CombinationEvaluator, Measurement
from workbench.runs.folder import create_run
from workbench.runs.recording import record_run
from workbench.runs.spec import RunSpec
from workbench.sweep.trial import _complete
from workbench.training.loop import train

CPU = torch.device("cpu")
TINY = [
    "dataset={use='folder', image_size=16}",
    "denoiser={use='small_cnn', channels=8, depth=1}",
    "train={steps=2, batch_size=4, precision='fp32', fast_path='off', validate_every=0}",
    "evaluate={samples=3, every=0, at_start=false, grid=4, neighbours=1, features=[]}",
    "sampler={use='ddim', steps=2}",
    "evaluate.sampler={use='ddim', steps=2}",
]


class Means(FeatureExtractor):
    """The mean of each channel."""

    def metric(self, family):
        return f"{family}_means"

    def card(self):
        return ExtractorCard(type(self).__name__, "0" * 64, "none", 3)

    def build(self, device):
        return self.of

    def of(self, images):
        return images.float().mean((2, 3))


class NotFinite(Means):
    """Returns nan."""

    def of(self, images):
        return super().of(images) / 0.0 * 0.0


class Raises(Means):
    """Fails for the batch of 3 generated images only."""

    def of(self, images):
        if len(images) == 3:
            raise ZeroDivisionError("by design")
        return super().of(images)


class RaisesAtOnce(Means):
    """Fails for every image."""

    def of(self, images):
        raise KeyError("by design")


@pytest.fixture
def parts(repository, tmp_path):
    def make(images, *extractors):
        root = tmp_path / "photos"
        root.mkdir()
        for i in range(images):
            Image.new("RGB", (16, 16), (20 * i, 200 - 9 * i, 7)).save(root / f"{i}.png")
        recipe = load(repository / "recipes" / "cars_linear.toml", [*TINY, f"dataset.root={root}"])
        # An installed name, because a run records the origin of every name.
        features = tuple(Slot[FeatureExtractor](use="efficientnet_lite0", component=extractor) for extractor in extractors)
        evaluate = recipe.evaluate.model_copy(update={"features": features})
        return assemble(recipe.model_copy(update={"evaluate": evaluate}), CPU, tmp_path / "cache")

    return make


def train_run(parts, home):
    """The run's folder after training, and the warnings."""
    run, warnings = create_run(home, "tiny"), []
    moments = list(record_run(train(parts, run.checkpoints), run, NullTracker(), warnings.append))
    assert moments[-1].phase == "finished"
    assert run.status() == "FINISHED"
    return run, warnings


def test_training_on_one_image_ends_without_distances(parts, tmp_path):
    built = parts(1, Means())
    run, warnings = train_run(built, tmp_path)
    assert warnings == ["fd_means and kid_means cannot be computed: they need at least 2 real images, and there is 1"]
    metrics, cards = run.final()
    assert "val/loss" in metrics
    assert "kid_means" not in metrics
    assert cards == {}
    assert {"samples_00000002.png", "denoising.gif", "neighbours_00000002.png"} <= {path.name for path in run.pictures.iterdir()}
    prepare_references(built.recipe, built.train, built.cache, CPU)
    with pytest.raises(DistanceError, match="need at least 2 real images"):
        CombinationEvaluator(
            run,
            built.recipe,
            RunSpec.of(built.spec, built.train, built.test),
            Measurement(4, 0, None, built.recipe.evaluate.features),
            CPU,
            built.cache,
        )


def test_the_failure_of_one_extractor_does_not_affect_the_others(parts, tmp_path):
    run, warnings = train_run(parts(9, RaisesAtOnce(), NotFinite(), Means(), Raises()), tmp_path)
    reasons = [line.removeprefix("fd_means and kid_means cannot be computed: ") for line in warnings]
    assert reasons[0].startswith("the extractor raised KeyError: 'by design'")
    assert reasons[1] == "the features hold nan or infinity"
    assert re.fullmatch(r"the extractor raised ZeroDivisionError: .*\(.*test_distances.py:\d+\)", reasons[2])
    assert len(reasons) == 3
    assert {"fd_means", "kid_means", "kid_means_std_error"} <= run.final()[0].keys()


def test_a_trial_without_its_metric_fails_with_a_reason(repository, tmp_path):
    run = create_run(tmp_path, "tiny")
    with closing(run.journal()) as journal:
        journal.numbers_at(3, {"val/loss": 1.0}, {})
    outcome = _complete(run, load(repository / "recipes" / "sweep.toml"))
    assert outcome.ending == "failed"
    assert "it has no kid_efficientnet_lite0" in outcome.error
