"""Careless and malicious recipes are valid, or refused quickly with a place; nothing is written or allocated for them."""

import re
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "chaos"))
from calling import MIB, called, changes, listing, working_in
from mutations import KINDS, MOST, RANGE, Mutation, apply, prepared, shipped

RECIPES = shipped(Path(__file__).parents[2] / "recipes")
PLACE = st.integers(0, RANGE - 1)
MUTATIONS = st.lists(st.builds(Mutation, st.sampled_from(sorted(KINDS)), PLACE, PLACE, PLACE), min_size=1, max_size=MOST)
LINEAR = RECIPES["cars_linear.toml"].decode()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    home = prepared(tmp_path_factory.mktemp("hostile"), RECIPES)
    with working_in(home, home):
        assert called(["validate", "recipes/cars_linear.toml"]).code == 0  # what is imported once belongs to no recipe
    return home


def checked(project, recipe, verb=("validate",)):
    """How `wb` ends with a recipe, and what it wrote."""
    (project / "recipes" / "mutated.toml").write_bytes(recipe if isinstance(recipe, bytes) else recipe.encode())
    before = listing(project)
    with working_in(project, project):
        outcome = called([*verb, "recipes/mutated.toml"])
    return outcome, changes(before, listing(project))


def refused(project, recipe):
    outcome, written = checked(project, recipe)
    assert (outcome.code, outcome.traceback, written) == (2, "", [])
    assert outcome.cpu < 1.0
    assert outcome.grown < 200 * MIB
    return " ".join(outcome.errors.split())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(RECIPES)), mutations=MUTATIONS)
def test_a_mutated_recipe_is_valid_or_refused_with_its_place(project, name, mutations):
    outcome, written = checked(project, apply(RECIPES[name], mutations))
    assert outcome.traceback == ""
    assert outcome.code in (0, 2)
    assert outcome.code == 0 or (outcome.located and not outcome.errors.startswith("error:")), outcome.errors[:300]
    assert len(outcome.errors) < 100_000
    assert outcome.cpu < 1.0
    assert outcome.grown < 200 * MIB
    assert written == []


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(["demand", "number", "value", "use", "extends"]), at=PLACE, what=PLACE)
def test_wb_run_refuses_what_wb_validate_refuses_with_the_same_message(project, kind, at, what):
    recipe = apply(RECIPES["cars_linear.toml"], [Mutation(kind, at, 1, what)])
    outcome, _ = checked(project, recipe)
    if outcome.code == 2:
        run, written = checked(project, recipe, ("run", "--no-track"))
        assert (run.code, run.traceback, written) == (2, "", [])
        assert run.errors.splitlines()[0] == outcome.errors.splitlines()[0]


DEEP = ".".join(["a"] * 20_000)
ABSURD = {
    "a key of 20,000 parts": (DEEP + " = 1\n" + LINEAR, r":1: nested too deeply"),
    "a table of 20,000 parts": (f"{LINEAR}\n[{DEEP}]\n" + "".join(f"k{i} = 1\n" for i in range(5000)), r"nested too deeply"),
    "a header that a careless pattern reads for hours": (f'{LINEAR}\n[{" " * 20_000}"a]b"]\n', r"a\]b: no such field of a recipe"),
    "an integer in hexadecimal without end": (LINEAR.replace("= 2500", "= 0x" + "f" * 9000), r":\d+: train.steps: expected a whole number"),
    "an integer above 64 bits": (LINEAR.replace("= 2500", f"= {2**70}"), r":\d+: train.steps: must be at most 100,000,000"),
    "an image of a billion pixels a side": (LINEAR.replace("image_size = 32", "image_size = 1000000000"), "dataset.image_size: must be at most 256"),
    "a trillion channels": (LINEAR.replace("channels = 24", "channels = 1000000000000"), "denoiser.channels: must be at most 2,048"),
    "a U-Net of trillions": (
        LINEAR.replace("channels = 24", "channels = 2048").replace("[1, 2, 4]", "[64, 64, 64]"),
        r"denoiser.channels: the network would have more than [\d,]+ billion parameters",
    ),
    "a transformer of hundreds of billions": (
        re.sub(r"(?s)\[denoiser\].*?\[objective\]", "[denoiser]\nuse = 'dit'\nwidth = 8192\ndepth = 256\nheads = 8\n[objective]", LINEAR),
        r"denoiser.width: the network would have more than [\d,]+ billion",
    ),
    "batches that no memory holds": (
        LINEAR.replace("batch_size = 32", "batch_size = 65536").replace("image_size = 32", "image_size = 256").replace("[8]", "[8]\npatch = 8"),
        r"train.batch_size: 65,536 images of 256 x 256 are 48 GiB: use at most 21,845",
    ),
    "millions of times": (
        LINEAR.replace('use = "ddpm"\nsteps = 300', 'use = "ddpm"\nsteps = 10000\nrestart = { times = 1000, low = 0.01, high = 9.0 }'),
        r"sampler.restart: 1000 restarts would make a grid of [\d,]+ times",
    ),
    "thousands of extractors": (LINEAR.replace("[evaluate] ", "[evaluate]\nfeatures = [" + '"inception",' * 9000 + "]\n#"), "must have at most 16 items, got 9000"),
    "thousands of keys to search": (
        LINEAR + "[sweep.space]\n" + "".join(f"'k{i}' = {{ low = 0, high = 9 }}\n" for i in range(5000)),
        "sweep.space: ",
    ),
    "ends that are no floats": (
        LINEAR + f"[sweep.space]\n'train.steps' = {{ low = 1{'0' * 400}, high = 2{'0' * 400} }}\n",
        r"expected a whole number of reasonable size",
    ),
    "steps without number": (LINEAR + "[sweep.space]\nx = { low = 0.0, high = 1e308, step = 1e-308 }\n", r"there is not a whole number of steps"),
    "a path that ends before the data": (
        LINEAR.replace('use = "ddpm"\nsteps = 300', 'use = "ddpm"\nspacing = "explicit"\ntimes = [1.0, 0.5]\nrestart = { low = 0.01 }'),
        r"sampler.times: must lead from noise \(1.0\) to data \(0.0\)",
    ),
    "a file name of 4 KB": (f'extends = "{"n" * 4096}"\n', r":1: extends: no file 'n+"),
    "itself": ('extends = "mutated.toml"\n', r":1: extends: 'mutated.toml' extends this recipe in turn: a cycle"),
    "a link to itself": ('extends = "loop.toml"\n', r":1: extends: no file 'loop.toml'"),
    "a device without end": ('extends = "/dev/zero"\n', r":1: extends: no file '/dev/zero'"),
    "a folder of 4 KB": (LINEAR.replace("[dataset]", f"[dataset]\nroot = '{'n' * 4096}'"), r"dataset.root: '/.*n+' cannot be read"),
    "the home of an unknown user": (LINEAR.replace("[dataset]", "[dataset]\nroot = '~absent-user'"), r"dataset.root: '~absent-user' names the home of a user that does not exist on this machine"),
    "an experiment called NUL": (LINEAR + '[tracking]\nexperiment = "a\\u0000b"\n', r"tracking.experiment: must be readable"),
}  # fmt: skip


@pytest.mark.parametrize("name", ABSURD)
def test_an_absurd_recipe_is_refused_before_anything_is_built(project, name):
    recipe, words = ABSURD[name]
    assert re.search(words, refused(project, recipe))


def test_a_chain_of_long_recipes_is_as_long_as_one(project):
    folder = project / "recipes"
    for i in range(10):
        (folder / f"chain{i}.toml").write_text(f'extends = "chain{i + 1}.toml"\n' + "#" * 100_000)
    try:
        assert "the limit is 250,000 bytes, together with those that extend it" in refused(project, 'extends = "chain0.toml"\n')
    finally:
        for path in folder.glob("chain*.toml"):
            path.unlink()


def test_keys_cannot_change_the_terminal(project):
    outcome, _ = checked(project, '"\\u001b[2J\\u202e\\u0007" = 1\n' + LINEAR)
    assert "\x1b" not in outcome.errors
    assert "\\x1b[2J\\u202e\\x07: no such field of a recipe" in " ".join(outcome.errors.split())


def test_a_byte_order_mark_is_ignored(project):
    outcome, _ = checked(project, b"\xef\xbb\xbf" + LINEAR.encode())
    assert (outcome.code, outcome.errors) == (0, "")


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85"])
def test_only_line_feeds_end_lines(project, end):
    assert "mutated.toml:3: nonsense: " in refused(project, f"# a{end}b\n# c{end}\nnonsense = 1\n{LINEAR}")


def test_a_schedule_that_hardly_destroys_anything_is_warned_about(project):
    tiny = LINEAR.replace(
        "steps = 300\n\n[denoiser]", "steps = 2\nscale_to_steps = false\nbeta_start = 1e-320\nbeta_end = 1e-320\n\n[denoiser]"
    )
    outcome, _ = checked(project, tiny)
    assert outcome.traceback == ""
    assert "x_T keeps 100.0% of the image" in outcome.errors
