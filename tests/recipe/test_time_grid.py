"""The paths that recipes name."""

import pytest

from workbench.errors import RecipeError
from workbench.recipe import load, save, time_grid_of
from workbench.sampling import expected_nfe

GOOD = """
name = "mine"
dataset = { use = "cars" }
schedule = { use = "linear", steps = 300 }
denoiser = { use = "unet" }
sampler = { use = "ddim" }
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(GOOD)
    return path


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["spacing=karras", "rho=5.0", "sigma_min=0.02"], {"spacing": "karras", "rho": 5.0, "sigma_min": 0.02}),
        (["spacing=logsnr", "churn={amount=4.0, low=0.1}"], {"churn": {"amount": 4.0, "low": 0.1, "high": 50.0}}),
        (["spacing=explicit", "times=[1.0, 0.5, 0.7, 0.0]"], {"times": [1.0, 0.5, 0.7, 0.0]}),
        (["restart={times=2, low=0.2, high=1.0}"], {"restart": {"times": 2, "low": 0.2, "high": 1.0}}),
        ([], {"steps": 50, "spacing": "uniform"}),
    ],
)
def test_a_time_grid_is_written_into_the_resolved_recipe_and_read_again(recipe, tmp_path, overrides, expected):
    resolved = load(recipe, [f"sampler.{override}" for override in overrides])
    assert expected.items() <= resolved.sampler.table().items()
    save(resolved, tmp_path / "again.toml")
    assert load(tmp_path / "again.toml") == resolved
    path = time_grid_of(resolved.sampler, resolved.schedule.component)
    assert (path.times[0], path.times[-1]) == (1.0, 0.0)


def test_fields_that_are_not_set_are_not_in_the_table(recipe):
    assert set(load(recipe).sampler.table()) == {"use", "eta", "steps", "spacing", "clamp", "guidance"}


@pytest.mark.parametrize(
    ("overrides", "key", "message"),
    [
        (["rho=5"], "rho", "belongs to spacing = 'karras', and this is 'uniform'"),
        (["spacing=karras", "sigma_min=90"], "spacing", "below sigma_max"),
        (["spacing=karras", "sigma_max=1e9"], "spacing", "schedule's own"),
        (["spacing=explicit"], "times", "needs them"),
        (["times=[1.0, 0.5, 0.0]"], "times", "belongs to spacing = 'explicit'"),
        (["spacing=explicit", "times=[0.9, 0.5, 0.0]"], "times", "lead from noise (1.0) to data (0.0)"),
        (["spacing=explicit", "times=[1.0, 1.0, 0.0]"], "spacing", "two times in a row are equal"),
        (["restart={low=1e-9}"], "restart", "needs a step there"),
        (["restart={low=2.0, high=0.1}"], "restart", "must go up"),
        (["churn={amount=-1}"], "churn.amount", "must be above 0"),
        (["churn={}"], "churn.amount", "missing"),
    ],
)
def test_an_invalid_time_grid_is_reported_with_its_field(recipe, overrides, key, message):
    with pytest.raises(RecipeError) as caught:
        load(recipe, [f"sampler.{override}" for override in overrides])
    assert [problem.key for problem in caught.value.problems] == [f"sampler.{key}"]
    assert message in caught.value.problems[0].message


def test_evaluations_may_use_another_time_grid(recipe):
    resolved = load(recipe, ["evaluate.sampler={use='heun', steps=9, spacing='karras'}"])
    grid = time_grid_of(resolved.evaluation_sampler, resolved.schedule.component)
    assert (grid.moves_down, len(grid.times)) == (9, 10)
    assert expected_nfe(resolved.evaluation_sampler, resolved.schedule.component) == 17
