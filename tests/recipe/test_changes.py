"""Changing the sampler of a trained run, field by field."""

import itertools

import pytest

from workbench.errors import RecipeError
from workbench.recipe import format_value, load, parse_value
from workbench.sampling.options import OPTIONS, options_for_sampler, sampler_from_options

SAMPLERS = [
    "{use='ddpm', steps=300}",
    "{use='ddpm', steps=7, variance='beta', clamp=false, guidance=3}",
    "{use='ddim', steps=9, eta=0.25, spacing='karras', rho=5, sigma_min=0.01}",
    "{use='ddim', steps=9, spacing='karras', sigma_max=50}",
    "{use='heun', steps=5, spacing='logsnr', churn={amount=4, low=0.1}}",
    "{use='ddim', steps=5, spacing='explicit', times=[1.0, 0.6, 0.2, 0.0]}",
    "{use='ddim', steps=8, spacing='quadratic', restart={times=2, high=3}}",
]


def recipe_with(repository, sampler):
    return load(repository / "recipes" / "cars_linear.toml", ["train.condition=true", f"sampler={sampler}"])


@pytest.fixture(scope="module")
def recipes(request):
    return [recipe_with(request.config.rootpath, sampler) for sampler in SAMPLERS]


def read(recipe, words):
    """As `wb sample` reads its options."""
    pairs = list(zip(words[::2], words[1::2], strict=True))
    fields = {option: field for field, option in OPTIONS.items()}
    plain = {fields[option]: parse_value(text) for option, text in pairs if option != "--set"}
    return sampler_from_options(recipe, plain, [text for option, text in pairs if option == "--set"])


def test_the_options_for_a_sampler_give_that_sampler_from_any_other(recipes):
    for base, wanted in itertools.product(recipes, recipes):
        assert read(base, options_for_sampler(wanted.sampler, base)) == wanted.sampler


def test_options_name_only_what_differs(recipes):
    base = recipes[0]
    assert options_for_sampler(base.sampler, base) == ["--sampler", "ddpm", "--steps", "300"]
    words = options_for_sampler(recipes[2].sampler, base)
    assert words[:8] == ["--sampler", "ddim", "--steps", "9", "--spacing", "karras", "--eta", "0.25"]
    assert words[8:] == ["--set", "sampler.rho=5.0", "--set", "sampler.sigma_min=0.01"]


def test_without_options_the_sampler_is_that_of_the_recipe(recipes):
    assert all(sampler_from_options(recipe, {}, []) == recipe.sampler for recipe in recipes)


def test_a_number_of_steps_replaces_explicit_times(recipes):
    slot = sampler_from_options(recipes[5], {"steps": 20}, [])
    assert (slot.spacing, slot.times, slot.steps) == ("uniform", None, 20)


@pytest.mark.parametrize(
    "value", [True, 3, 0.5, 1e-05, "word", "3", "true", "a b, 'c'", "ä", [1.0, 0.5], {"amount": 4.0, "a b": "x"}]
)
def test_a_value_written_after_set_is_read_back(value):
    assert parse_value(format_value(value)) == value


MISTAKES = [
    ({"eta": 0.5}, [], "--eta: sampler.eta: no such field of 'ddpm'"),
    ({"use": "ddimm"}, [], "--sampler: sampler.use: no sampler is called 'ddimm' (did you mean 'ddim'?)"),
    ({"spacing": "kar"}, [], "--spacing: sampler.spacing: must be 'uniform'"),
    ({"spacing": "trailing", "steps": 500}, [], "--steps: sampler.steps: 500 steps do not fit on the 300 times"),
    ({}, ["sampler.rho=3"], "--set: sampler.rho: belongs to spacing = 'karras'"),
    ({}, ["sampler.churn.amount=none"], "--set: sampler.churn.amount: expected a number"),
    ({}, ["train.steps=3"], "--set: train.steps: only the sampler of a trained run can be changed"),
    ({}, ["sampler"], "--set: expected sampler.FIELD=VALUE"),
]


@pytest.mark.parametrize(("options", "settings", "words"), MISTAKES, ids=[words[:50] for *_, words in MISTAKES])
def test_an_invalid_change_is_refused_with_its_option(recipes, options, settings, words):
    with pytest.raises(RecipeError) as caught:
        sampler_from_options(recipes[0], options, settings)
    assert words in str(caught.value)
