"""A run's folder says which code its components are, and which they were."""

import pytest

from workbench.recipe import load, origins_of
from workbench.runs.components import changed_origins, record_origins
from workbench.runs.folder import create_run


@pytest.fixture
def recipe(site, tmp_path, repository):
    """A recipe with a third-party sampler whose code can be changed."""

    def install(comment):
        code = "from workbench.interfaces import Sampler\nclass Mine(Sampler):\n    def step(self, posterior, x, t, s, *, state, noise):\n"
        site.install(code=f"{code}        return posterior(x, t), None\n# {comment}\n")
        return load(repository / "recipes" / "cars_linear.toml", ["sampler={use='mine'}", "evaluate.sampler={use='ddim'}"])

    return install


def test_every_component_is_recorded_once(recipe, tmp_path):
    run = create_run(tmp_path, "a")
    record_origins(run, recipe("first"))
    rows = run.info()["components"]
    assert [row["kind"] for row in rows] == ["datasets", "schedules", "denoisers", "samplers", "features", "samplers"]
    assert {(row["use"], row["distribution"]) for row in rows} >= {("mine", "acme"), ("ddim", "diffusion-workbench-samplers")}
    assert changed_origins(run) == []


def test_a_run_that_goes_on_with_other_code_keeps_what_it_began_with(recipe, tmp_path):
    run = create_run(tmp_path, "a")
    record_origins(run, recipe("first"))
    began = run.info()["components"]
    again = recipe("second")
    (line,) = changed_origins(run)
    assert line.startswith("sampler 'mine' is not the code the run was made with: acme 1.2")
    record_origins(run, again)
    record_origins(run, again)
    assert run.info()["earlier_components"] == [began]
    assert run.info()["components"] == [origin.to_dict() for origin in origins_of(again)] != began
    assert changed_origins(run) == []


def test_a_run_from_before_hashes_were_kept_says_nothing(tmp_path):
    assert changed_origins(create_run(tmp_path, "a")) == []
