"""What can be searched, and what is refused before trial 0."""

import pytest
from optuna.trial import FixedTrial

from workbench.errors import CombinationError, RecipeError
from workbench.recipe import load
from workbench.sweep.checks import check_sweep
from workbench.sweep.objectives import SearchTarget, search_targets
from workbench.sweep.space import axes_of, is_evaluation_only, overrides, suggest_values

COMPONENTS = """
[sweep.space]
"sampler.eta" = { low = 0.0, high = 1.0, when = { "sampler.use" = "ddim" } }
"sampler.use" = { choices = ["ddim", "ddpm"] }
"train.flip" = { choices = [true, false] }
"train.batch_size" = { low = 4, high = 16, step = 4 }
"""


def problems(path):
    with pytest.raises(RecipeError) as caught:
        check_sweep(path, load(path))
    return [(problem.line, problem.key, problem.message) for problem in caught.value.problems]


def test_a_component_that_is_chosen_brings_its_own_keys_and_leaves_those_of_others(write):
    recipe = load(write(space=COMPONENTS))
    axes = axes_of(recipe)
    assert [axis.key for axis in axes].index("sampler.use") < [axis.key for axis in axes].index("sampler.eta")
    common = {"train.flip": False, "train.batch_size": 8}
    ddim = suggest_values(FixedTrial({"sampler.use": "ddim", "sampler.eta": 0.5, **common}), axes, recipe.flat())
    ddpm = suggest_values(FixedTrial({"sampler.use": "ddpm", **common}), axes, recipe.flat())
    assert ddim == {"sampler.use": "ddim", "sampler.eta": 0.5, **common}
    assert ddpm == {"sampler.use": "ddpm", **common}


def test_what_was_chosen_is_the_recipe_of_the_trial(write):
    path = write(space=COMPONENTS)
    recipe = load(path, overrides({"sampler.use": "ddim", "sampler.eta": 0.25, "train.flip": False, "train.batch_size": 12}))
    assert (recipe.sampler.component.eta, recipe.train.flip, recipe.train.batch_size) == (0.25, False, 12)
    assert load(path, overrides({"sampler.use": "ddpm"})).sampler.use == "ddpm"


def test_lists_words_and_whole_numbers_arrive_as_what_they_are(write):
    unet = """
    [sweep.space]
    "denoiser.use" = { choices = ["small_cnn", "unet"] }
    "denoiser.multipliers" = { choices = [[1, 2], [1, 2, 2]], when = { "denoiser.use" = "unet" } }
    "train.steps" = { low = 4, high = 8 }
    "seed" = { choices = [0, 1] }
    """
    path = write(space=unet)
    recipe = load(path)
    check_sweep(path, recipe)
    axes = {axis.key: axis for axis in axes_of(recipe)}
    stored = axes["denoiser.multipliers"].stored((1, 2, 2))
    values = suggest_values(
        FixedTrial({"denoiser.use": "unet", "denoiser.multipliers": stored, "train.steps": 5, "seed": 1}), list(axes.values()), {}
    )
    recipe = load(path, overrides(values))
    assert (recipe.denoiser.component.multipliers, recipe.train.steps, recipe.seed) == ((1, 2, 2), 5, 1)
    assert isinstance(values["train.steps"], int)


def test_the_shipped_search_is_sound(repository):
    path = repository / "recipes" / "sweep.toml"
    recipe = load(path)
    check_sweep(path, recipe)
    assert search_targets(recipe) == (SearchTarget("kid_efficientnet_lite0", "minimize"),)
    assert not is_evaluation_only(axes_of(recipe))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ('"train.learning_rat" = { low = 1e-5, high = 1e-3 }', "no such field"),
        ('"train.learning_rate" = { low = 1e-5, high = 2.0 }', "at most 1"),
        ('"sampler.use" = { choices = ["ddim", "dim"] }', "no sampler"),
        ('"train.learning_rate" = { low = 1e-3, high = 1e-2 }', "trial 0 is the unchanged recipe"),
        ('"sampler.eta" = { low = 0.0, high = 1.0, when = { "sampler.use" = "ddmp" } }\n"sampler.use" = { choices = ["ddim", "ddpm"] }', "is never 'ddmp'"),
        ('"train.flip" = { choices = [true, false], when = { "train.flop" = 1 } }', "no sampler, recipe or space"),
        ('"train.steps" = { low = 4, high = 10, step = 4 }', "whole number of steps"),
        ('"train.steps" = { low = 4, high = 4 }', "must be below"),
        ('"train.steps" = { low = 4 }', "low and high"),
    ],
)  # fmt: skip
def test_an_invalid_space_is_reported_before_the_first_trial(write, space, message):
    path = write(space=f"[sweep.space]\n{space}\n")
    with pytest.raises(RecipeError) as caught:
        check_sweep(path, load(path))
    problem = caught.value.problems[0]
    if "no sampler, recipe" in message:
        message = "neither the recipe nor the space has a key"
    assert message in problem.message
    assert problem.where == str(path)
    assert problem.line is not None


def test_a_key_without_effect_is_refused_with_the_one_that_has_an_effect(write):
    path = write(space='[sweep.space]\n"sampler.guidance" = { low = 0.5, high = 4.0 }\n')
    settings = ["train.condition=true", "evaluate.sampler={use='ddim', steps=2}"]
    with pytest.raises(RecipeError) as caught:
        check_sweep(path, load(path, settings), settings)
    assert "Vary 'evaluate.sampler.guidance'" in caught.value.problems[0].message


def test_a_combination_that_is_invalid_is_reported_although_each_choice_is_valid(write):
    space = '[sweep.space]\n"parameterization" = { choices = ["v", "eps"] }\n"schedule.zero_terminal_snr" = { choices = [false, true] }\n'
    path = write(space=space)
    ((line, key, message),) = problems(path)
    assert "'parameterization' = 'eps'" in message.replace("parameterization = 'eps'", "'parameterization' = 'eps'")
    assert "zero_terminal_snr = True" in message
    assert line is not None
    assert key.startswith("sweep.space.")


def test_a_circle_of_conditions_is_refused(write):
    space = """
    [sweep.space]
    "train.flip" = { choices = [true, false], when = { "seed" = 0 } }
    "seed" = { choices = [0, 1], when = { "train.flip" = true } }
    """
    assert any("circular" in message for _, _, message in problems(write(space=space)))


@pytest.mark.parametrize("sampler", ["grid", "gp", "cmaes"])
def test_samplers_without_conditions_refuse_them(write, sampler):
    assert any("conditions" in message for _, _, message in problems(write(f'sampler = "{sampler}"\n', COMPONENTS)))


def test_a_metric_is_one_that_runs_log(write):
    recipe = load(write(), ["evaluate.features=['efficientnet_lite0']", "sweep.metric='kid'"])
    assert search_targets(recipe) == (SearchTarget("kid_efficientnet_lite0", "minimize"),)
    speed = recipe.model_copy(update={"sweep": recipe.sweep.model_copy(update={"metric": "samples_per_second"})})
    assert search_targets(speed) == (SearchTarget("eval/samples_per_second", "maximize"),)
    unknown = recipe.model_copy(update={"sweep": recipe.sweep.model_copy(update={"metric": "fid"})})
    with pytest.raises(CombinationError, match="they log kid_efficientnet_lite0"):
        search_targets(unknown)


def test_a_search_over_evaluation_only_needs_one_training(write):
    assert is_evaluation_only(axes_of(load(write(space='[sweep.space]\n"sampler.steps" = { low = 2, high = 4 }\n'))))
    assert not is_evaluation_only(axes_of(load(write())))
