"""Combinations of samplers and their fields."""

import pytest

from workbench.errors import RecipeError
from workbench.recipe import AxisSettings, load, sampler_combinations, variant


@pytest.fixture
def recipe(repository):
    """DDIM in 25 steps is its evaluation sampler."""
    return load(repository / "recipes" / "cars_linear.toml")


def axes(**texts):
    return [AxisSettings.of(field, [text], f"--{field}") for field, text in texts.items()]


def test_a_field_is_varied_only_where_a_sampler_has_it(recipe):
    slots = sampler_combinations(recipe, ["ddim", "ddpm"], axes(eta="0,0.5,1", steps="5,10"))
    assert [(slot.use, slot.table().get("eta"), slot.steps) for slot in slots] == [
        *(("ddim", eta, steps) for eta in (0.0, 0.5, 1.0) for steps in (5, 10)),
        ("ddpm", None, 5),
        ("ddpm", None, 10),
    ]


def test_a_field_may_belong_to_one_sampler(recipe):
    slots = sampler_combinations(recipe, ["ddim", "ddpm"], [AxisSettings.of("ddpm.variance", ["beta,beta_tilde"], "--vary")])
    assert [variant(slot, {"variance"}) for slot in slots] == ["ddim", "ddpm variance=beta", "ddpm variance=beta_tilde"]


def test_a_field_of_one_spacing_is_varied_only_under_it(recipe):
    slots = sampler_combinations(recipe, [], axes(spacing="uniform,karras", rho="3,7"))
    assert [(slot.spacing, slot.rho) for slot in slots] == [("uniform", None), ("karras", 3.0), ("karras", 7.0)]


def test_another_spacing_drops_what_belonged_to_the_recipes(repository):
    own = "evaluate.sampler={use='ddim', spacing='karras', rho=5}"
    recipe = load(repository / "recipes" / "cars_linear.toml", [own])
    assert [(slot.spacing, slot.rho) for slot in sampler_combinations(recipe, [], axes(spacing="karras,logsnr"))] == [
        ("karras", 5.0),
        ("logsnr", None),
    ]


def test_a_value_for_one_sampler_precedes_a_value_for_all(recipe):
    slots = sampler_combinations(recipe, ["ddim", "ddpm"], axes(**{"ddim.steps": "3"}, steps="5,6"))
    assert [(slot.use, slot.steps) for slot in slots] == [("ddim", 3), ("ddpm", 5), ("ddpm", 6)]


def test_a_repeated_combination_is_kept_once(recipe):
    assert len(sampler_combinations(recipe, ["ddim", "ddim"], axes(eta="0,0.0", steps="5,5"))) == 1


def test_without_options_the_evaluation_sampler_of_the_recipe_is_used(recipe):
    assert sampler_combinations(recipe, [], []) == [recipe.evaluation_sampler]


def test_fields_that_are_not_varied_are_those_of_the_recipe(repository):
    own = "evaluate.sampler={use='ddim', eta=0.3, steps=7, clamp=false, spacing='quadratic'}"
    recipe = load(repository / "recipes" / "cars_linear.toml", [own])
    ddim, ddpm = sampler_combinations(recipe, ["ddim", "ddpm"], [])
    assert ddim == recipe.evaluation_sampler
    assert (ddpm.steps, ddpm.clamp, ddpm.spacing) == (7, False, "quadratic")
    assert ddpm.component == type(ddpm.component)()


def test_a_list_in_brackets_is_one_value():
    assert AxisSettings.of("x", ["[1, 0.5, 0],[1,0]", "3, word"], "--vary").values == ([1, 0.5, 0], [1, 0], 3, "word")


def test_a_variant_names_varied_fields_and_those_not_at_their_defaults(recipe):
    (slot,) = sampler_combinations(recipe, ["ddim"], axes(eta="1", spacing="quadratic"))
    assert variant(slot) == "ddim eta=1 spacing=quadratic"
    (slot,) = sampler_combinations(recipe, ["ddim"], [])
    assert (variant(slot), variant(slot, {"eta"})) == ("ddim", "ddim eta=0")


MISTAKES = [
    (["ddimm"], {}, "--sampler: sampler.use: no sampler is called 'ddimm' (did you mean 'ddim'?)"),
    (["ddim"], {"steps": "5,0"}, "--steps: sampler.steps: must be at least 1, got 0"),
    (["ddim"], {"steps": "some"}, "--steps: sampler.steps: expected a whole number, got 'some'"),
    (["ddim"], {"eta": "0,3"}, "--eta: sampler.eta: must be at most 1, got 3"),
    (["ddim"], {"spacing": "trailing", "steps": "500"}, "--steps: sampler.steps: 500 steps do not fit on the 300 times"),
    (["ddim"], {"rho": "3"}, "--rho: sampler.rho: belongs to spacing = 'karras', and this is 'uniform'"),
    (["ddim"], {"guidance": "1,2"}, "--guidance: sampler.guidance: guidance needs a network that was given labels"),
    (["ddpm"], {"eta": "0"}, "--eta: eta: no such field of 'ddpm'"),
    (["ddim"], {"etta": "0"}, "--etta: etta: no such field of 'ddim' (did you mean 'eta'?"),
    (["ddim"], {"ddpm.variance": "beta"}, "'ddpm' is not among the chosen samplers (ddim)"),
]


@pytest.mark.parametrize(("samplers", "texts", "message"), MISTAKES, ids=[message[:60] for *_, message in MISTAKES])
def test_an_invalid_combination_is_refused_with_option_value_and_alternatives(recipe, samplers, texts, message):
    with pytest.raises(RecipeError) as caught:
        sampler_combinations(recipe, samplers, axes(**texts))
    assert message in str(caught.value)
