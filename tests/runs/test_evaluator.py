"""Evaluating a trained run under other samplers."""

import hashlib
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from workbench.errors import CheckpointError, CombinationError, SamplingError
from workbench.interfaces import NullTracker
from workbench.model.build import assemble
from workbench.recipe import AxisSettings, load, sampler_combinations, save
from workbench.registry import installed
from workbench.runs.combinations.evaluator import CombinationEvaluator, Measurement
from workbench.runs.folder import create_run
from workbench.runs.recording import record_run
from workbench.runs.spec import read_run
from workbench.training.checkpoint import latest_checkpoint
from workbench.training.loop import train

CPU = torch.device("cpu")
SETTINGS = [
    "train.precision=fp32",
    # Two batches, the last one smaller; a seed that is not the default.
    "evaluate={samples=12, batch_size=8, real=20, at_start=false, neighbours=0, features=['efficientnet_lite0']}",
    "evaluate.sampler={use='ddim', eta=0.5, steps=3}",
    "seed=3",
]


def trained_with(tiny, cache, home, *overrides):
    recipe = load(tiny, [*SETTINGS, *overrides])
    run = create_run(home, recipe.name)
    save(recipe, run.recipe)
    stream = train(assemble(recipe, CPU, cache), run.checkpoints)
    list(record_run(stream, run, NullTracker(), pytest.fail))
    return run


@pytest.fixture(scope="session")
def trained(tiny, cache, tmp_path_factory):
    """A finished run with a final evaluation."""
    return trained_with(tiny, cache, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def conditional(tiny, cache, tmp_path_factory):
    """A finished run of a conditional network; guidance and clamping are set for the recipe's sampler only."""
    settings = ("train.condition=true", "sampler.guidance=2", "sampler.clamp=false")
    return trained_with(tiny, cache, tmp_path_factory.mktemp("home"), *settings)


def evaluator_of(run, cache, **changes):
    recipe, spec = read_run(run, cache)
    settings = {"samples": 12, "seed": recipe.seed, "real": 20, "features": recipe.evaluate.features, **changes}
    return CombinationEvaluator(run, recipe, spec, Measurement(**settings), CPU, cache)


def slots_of(run, *samplers, **axes):
    return sampler_combinations(
        load(run.recipe), samplers, [AxisSettings.of(name, [text], f"--{name}") for name, text in axes.items()]
    )


@pytest.mark.parametrize("which", ["trained", "conditional"])
def test_an_evaluation_measures_the_same_as_the_run_itself(which, request, cache):
    run = request.getfixturevalue(which)
    metrics, cards = run.final()
    (slot,) = slots_of(run)
    result = evaluator_of(run, cache).measure(slot)
    assert result.metrics == {name: metrics[name] for name in result.metrics}
    assert {"fd_efficientnet_lite0", "kid_efficientnet_lite0"} < set(result.metrics)
    assert result.cards == {name: cards[name] for name in result.metrics}
    assert (result.nfe, result.samples) == (metrics["eval/nfe"], 12)
    assert result.seconds > 0.0


def test_a_stored_measurement_is_read_only_for_the_same_settings(trained, cache):
    (slot,) = slots_of(trained, "ddim", eta="1", steps="2")
    (other,) = slots_of(trained, "ddim", eta="1", steps="4")
    first = evaluator_of(trained, cache)
    assert first.kept(slot) is None
    measured = first.measure(slot)
    stored = evaluator_of(trained, cache).kept(slot)
    assert (measured.new, stored.new) == (True, False)
    assert (stored.metrics, stored.cards, stored.nfe, stored.seconds) == (
        measured.metrics,
        measured.cards,
        measured.nfe,
        measured.seconds,
    )
    assert first.kept(other) is None
    for change in ({"samples": 11}, {"seed": 4}, {"real": 21}):
        assert evaluator_of(trained, cache, **change).kept(slot) is None


def change_average(run, change):
    """Replace the averaged weights in the newest checkpoint, as if they had been trained."""
    newest = latest_checkpoint(run.checkpoints)
    path = newest.folder / "ema.safetensors"
    save_file({name: change(value) for name, value in load_file(path).items()}, path)
    written = (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
    (newest.folder / "manifest.json").unlink()
    replace(newest.manifest, files={**newest.manifest.files, path.name: written}).write(newest.folder)


def test_other_weights_are_measured_again(repository, tiny, cache, tmp_path):
    run = trained_with(tiny, cache, tmp_path, "evaluate.features=[]")
    features = load(repository / "recipes" / "cars_linear.toml").evaluate.features
    (slot,) = slots_of(run, "ddim", steps="1")
    before = evaluator_of(run, cache, features=features).measure(slot)
    change_average(run, lambda value: 1.5 * value)
    assert evaluator_of(run, cache, features=features).kept(slot) is None
    assert evaluator_of(run, cache, features=features).measure(slot).metrics != before.metrics


def test_a_damaged_file_is_measured_again(trained, cache):
    evaluator = evaluator_of(trained, cache)
    (slot,) = slots_of(trained, "ddim", eta="0", steps="1")
    file = evaluator.measure(slot).file
    for text in ("", "[]", json.dumps({"key": {}}), file.read_text()[:-20]):
        file.write_text(text)
        assert evaluator.kept(slot) is None


OURS = sorted(entry.name for entry in installed("samplers") if entry.distribution == "diffusion-workbench-samplers")


@pytest.mark.parametrize("sampler", OURS)
def test_the_expected_nfe_is_the_counted_nfe(trained, cache, sampler):
    evaluator = evaluator_of(trained, cache, samples=2)
    for slot in slots_of(trained, sampler, steps="1,5"):
        assert evaluator.cost(slot) == evaluator.measure(slot).nfe


def test_guidance_doubles_the_nfe_and_its_scale_is_on_the_card(conditional, cache):
    evaluator = evaluator_of(conditional, cache, samples=2)
    without, guided = slots_of(conditional, "ddim", guidance="1,3", steps="4")
    assert (evaluator.measure(without).nfe, evaluator.cost(without)) == (4, 4)
    result = evaluator.measure(guided)
    assert (result.nfe, evaluator.cost(guided)) == (8, 8)
    assert {(card["guidance"], card["clamp"]) for card in result.cards.values()} == {(3.0, False)}


def test_a_run_evaluates_with_the_guidance_of_its_sampler(conditional):
    metrics, cards = conditional.final()
    assert {(card["guidance"], card["clamp"], card["nfe"]) for card in cards.values()} == {(2.0, False, 6)}
    assert metrics["eval/nfe"] == 6


def test_images_of_different_samplers_start_from_equal_noise(trained, cache):
    from PIL import Image

    evaluator = evaluator_of(trained, cache)
    first, second = (evaluator.measure(slot).picture for slot in slots_of(trained, "ddpm", "ddim", eta="1", steps="3"))
    # DDIM with eta = 1 is ancestral sampling: the same images.
    with Image.open(first) as a, Image.open(second) as b:
        assert a.size == (2 + 10 * 66, 2 + 66)
        assert a.tobytes() == b.tobytes()


def test_images_that_are_not_finite_are_an_error_and_nothing_is_stored(repository, tiny, cache, tmp_path):
    run = trained_with(tiny, cache, tmp_path, "evaluate.features=[]")
    change_average(run, lambda value: torch.full_like(value, float("nan")))
    features = load(repository / "recipes" / "cars_linear.toml").evaluate.features
    evaluator = evaluator_of(run, cache, features=features)
    (slot,) = slots_of(run)
    with pytest.raises(SamplingError):
        evaluator.measure(slot)
    assert not list(run.path.glob("evaluations/*"))


def test_an_evaluation_without_checkpoint_or_extractor_is_an_error(trained, cache, tmp_path):
    with pytest.raises(CombinationError, match="no feature extractor is set"):
        evaluator_of(trained, cache, features=())
    run = create_run(tmp_path, "x")
    save(load(trained.recipe), run.recipe)
    with pytest.raises(CheckpointError, match=f"run {run.id} has no checkpoint yet"):
        evaluator_of(run, cache)
