"""A run's folder records the code of its components, now and earlier."""

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


def test_a_run_resumed_with_other_code_keeps_the_record_of_its_first_code(recipe, tmp_path):
    run = create_run(tmp_path, "a")
    record_origins(run, recipe("first"))
    first = run.info()["components"]
    again = recipe("second")
    (line,) = changed_origins(run)
    assert line.startswith("sampler 'mine' is not the code the run was made with: acme 1.2")
    record_origins(run, again)
    record_origins(run, again)
    assert run.info()["earlier_components"] == [first]
    assert run.info()["components"] == [origin.to_dict() for origin in origins_of(again)] != first
    assert changed_origins(run) == []


def test_a_run_without_recorded_hashes_reports_no_changes(tmp_path):
    assert changed_origins(create_run(tmp_path, "a")) == []
