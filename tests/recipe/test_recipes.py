"""Recipes: what is right, what is wrong, and where."""

import json
import time

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from workbench.errors import RecipeError
from workbench.recipe import Recipe, decisive_settings, load, save, schema, warnings
from workbench.sampling import expected_nfe

GOOD = """
name = "mine"
[dataset]
use = "cars"
[schedule]
use = "linear"
steps = 300
[denoiser]
use = "unet"
[sampler]
use = "ddim"
eta = 0.5
"""


@pytest.fixture
def write(tmp_path):
    def put(text, name="recipe.toml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return put


def problems(path, *overrides):
    with pytest.raises(RecipeError) as caught:
        load(path, overrides)
    return caught.value.problems


def shipped(repository):
    return sorted((repository / "recipes").glob("*.toml"))


def test_every_shipped_recipe_is_valid_where_its_data_are(repository, tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "a.png").write_bytes(b"")
    assert {"cars_linear", "cars_cosine", "cars_small_cnn", "cars_photos", "cars_photos_cpu", "cifar10", "folder"} <= {
        path.stem for path in shipped(repository)
    }
    for path in shipped(repository):
        needs_root = path.stem in ("cars_photos", "cars_photos_cpu", "cifar10", "folder")
        recipe = load(path, [f"dataset.root={tmp_path}"] if needs_root else [])
        assert recipe.name == path.stem
        assert warnings(recipe) == []
        assert path.read_text().startswith("#:schema ./recipe.schema.json\n")


def test_a_saved_recipe_is_equal_when_loaded_again(repository, tmp_path):
    for path in shipped(repository):
        if path.stem not in ("cars_photos", "cars_photos_cpu", "cifar10", "folder"):
            recipe = load(
                path, ["train.max_minutes=3.5", "evaluate.features=['efficientnet_lite0', {use='inception', dims=768}]"]
            )
            save(recipe, tmp_path / "saved.toml")
            assert load(tmp_path / "saved.toml") == recipe


def test_extends_merges_one_recipe_over_another(write):
    write(GOOD, "base.toml")
    recipe = load(write('extends = "base.toml"\nname = "second"\nseed = 7\n[schedule]\nsteps = 50\n', "second.toml"))
    assert (recipe.name, recipe.seed, recipe.schedule.component.steps, recipe.sampler.component.eta) == ("second", 7, 50, 0.5)


def test_another_component_clears_its_table_but_keeps_the_keys_of_the_core(write):
    write(GOOD.replace("eta = 0.5", "eta = 0.5\nsteps = 33\nclamp = false"), "base.toml")
    recipe = load(write('extends = "base.toml"\n[sampler]\nuse = "ddpm"\n', "second.toml"))
    assert (recipe.sampler.use, recipe.sampler.steps, recipe.sampler.clamp) == ("ddpm", 33, False)


def test_the_tracked_settings_are_those_that_were_chosen(write):
    recipe = load(write(GOOD), ["train.steps=7", "evaluate.sampler={use='ddpm', steps=3}", "sampler.churn={amount=2.0}"])
    settings = decisive_settings(recipe)
    assert {"dataset.use", "schedule.use", "denoiser.use", "sampler.use", "seed", "parameterization"} <= settings.keys()
    assert {key: settings[key] for key in ("schedule.steps", "sampler.eta", "train.steps", "evaluate.sampler.steps")} == {
        "schedule.steps": 300,
        "sampler.eta": 0.5,
        "train.steps": 7,
        "evaluate.sampler.steps": 3,
    }
    assert settings["sampler.churn.amount"] == 2.0
    assert (
        not {"name", "description", "train.ema", "denoiser.channels", "sampler.steps", "evaluate.sampler.clamp"} & settings.keys()
    )


def test_the_space_of_a_sweep_is_not_among_the_settings_of_a_run(repository):
    settings = decisive_settings(load(repository / "recipes" / "sweep.toml"))
    assert settings["schedule.use"] == "linear"
    assert not [key for key in settings if key.startswith("sweep")]


def test_fields_set_before_their_component_is_chosen_are_kept(write):
    chosen = load(write(GOOD), ["sampler.variance=beta", "sampler.use=ddpm", "denoiser.depth=3", "denoiser={use='small_cnn'}"])
    assert chosen.sampler.component.variance == "beta"
    assert chosen.denoiser.component.depth == 3


def test_set_takes_toml_values_and_bare_words(write):
    recipe = load(
        write(GOOD),
        ["train.learning_rate=1e-3", "denoiser.multipliers=[1, 2]", "schedule.use=cosine", "train.flip=false", "name=other"],
    )
    assert recipe.train.learning_rate == 1e-3
    assert recipe.denoiser.component.multipliers == (1, 2)
    assert (recipe.schedule.use, recipe.train.flip, recipe.name) == ("cosine", False, "other")


CASES = [
    (
        "eta = 0.5",
        "etta = 0.5",
        "12",
        "sampler.etta",
        r"no such field of 'ddim' \(did you mean 'eta'\? fields: churn, clamp, eta",
    ),
    (
        'use = "linear"',
        'use = "linaer"',
        "6",
        "schedule.use",
        r"no schedule is called 'linaer' \(did you mean 'linear'\?\)\n    installed: ",
    ),
    ('use = "linear"', "", "5", "schedule.use", "missing"),
    ("steps = 300", 'steps = "300"', "7", "schedule.steps", "expected a whole number, got '300'"),
    ("steps = 300", "steps = 300.5", "7", "schedule.steps", "expected a whole number, got 300.5"),
    ("steps = 300", "steps = 1", "7", "schedule.steps", "must be at least 2, got 1"),
    ("steps = 300", f"steps = {10**30}", "7", "schedule.steps", "must be at most 100,000|whole number of reasonable size"),
    ("eta = 0.5", "eta = nan", "12", "sampler.eta", "must be a finite number, got nan|must be at"),
    ("eta = 0.5", "eta = true", "12", "sampler.eta", "expected a number, got true"),
    ('name = "mine"', 'name = "a/b"', "2", "name", "must match"),
    ('name = "mine"', "naem = 3", "2", "naem", r"no such field of a recipe \(did you mean 'name'\?"),
    (
        '[dataset]\nuse = "cars"',
        '[dataset]\nuse = "cars"\nroot = "nowhere"',
        "5",
        "dataset.root",
        r"no folder '/.*/nowhere'",
    ),
    ('use = "unet"', 'use = "unet"\nmultipliers = [1, 0]', "10", "denoiser.multipliers[1]", "must be at least 1, got 0"),
    ('use = "unet"', 'use = "unet"\nmultipliers = [1,\n 2, 2, 2,\n 2, 2, 2]', "10", "denoiser.multipliers", "multiples of 64"),
]


@pytest.mark.parametrize(("old", "new", "line", "key", "message"), CASES, ids=[case[3] + "/" + case[1][:20] for case in CASES])
def test_a_mistake_is_reported_with_its_line_its_key_and_a_remedy(write, old, new, line, key, message):
    import re

    path = write(GOOD.replace(old, new))
    reported = problems(path)
    place = [problem for problem in reported if problem.key == key]
    assert place, reported
    assert str(place[0]).startswith(f"{path}:{line}: {key}: ")
    assert re.search(message, place[0].message), place[0].message


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file(write):
    reported = problems(
        write(GOOD.replace("eta", "etta").replace("steps = 300", "steps = -1") + "[train]\nsteps = 0\nclip = 'x'\n"),
        "train.flip=3",
    )
    assert [problem.key for problem in reported] == ["schedule.steps", "sampler.etta", "train.steps", "train.clip", "train.flip"]
    assert reported[-1].where == "--set"


def test_everything_missing_is_reported_at_once(write):
    text = GOOD.replace('name = "mine"', "").replace("eta = 0.5", 'spacing = "explicit"\nguidance = 3.0')
    keys = {problem.key for problem in problems(write(text), "dataset={use='folder'}")}
    assert keys == {"name", "dataset.root"}
    assert {problem.key for problem in problems(write(text))} == {"name", "sampler.times", "sampler.guidance"}
    empty = problems(write(""))
    assert [problem.key for problem in empty] == ["dataset", "schedule", "denoiser", "sampler", "name"]


def test_a_mistake_in_the_extended_file_is_located_there(write):
    base = write(GOOD.replace("steps = 300", "steps = 0"), "base.toml")
    reported = problems(write('extends = "base.toml"\n', "second.toml"))
    assert (reported[0].where, reported[0].line) == (str(base), 7)


def test_noise_prediction_where_no_image_is_left_is_refused_with_its_reason(write):
    reported = problems(write('parameterization = "eps"\n' + GOOD), "schedule.use=flow")
    assert [problem.key for problem in reported] == ["parameterization"]
    assert reported[0].line == 1
    assert "nothing of the image is left (alpha = 0)" in reported[0].message
    assert "Use 'x0', 'v', 'flow' or 'edm'" in reported[0].message


@pytest.mark.parametrize(
    ("override", "key"),
    [
        (["schedule.use=flow", "parameterization=v", "objective.times=grid"], "objective.times"),
        (["sampler.spacing=trailing", "sampler.steps=301"], "sampler.steps"),
        (["sampler.guidance=3"], "sampler.guidance"),
        (["evaluate.features=['efficientnet_lite0', 'efficientnet_lite0']"], "evaluate.features"),
        (["evaluate.sampler={use='ddim', spacing='trailing', steps=500}"], "evaluate.sampler.steps"),
    ],
)
def test_parts_that_do_not_fit_together_are_found_before_anything_is_built(write, override, key):
    assert [problem.key for problem in problems(write(GOOD), *override)] == [key]


def test_conditioning_needs_at_least_two_classes(write, tmp_path):
    from PIL import Image

    (tmp_path / "data" / "only").mkdir(parents=True)
    Image.new("RGB", (40, 40)).save(tmp_path / "data" / "only" / "a.png")
    reported = problems(write(GOOD), "train.condition=true", f"dataset.root={tmp_path / 'data'}")
    assert "one class only ('only')" in reported[0].message


def test_the_t300_trap_is_warned_about(write):
    lines = warnings(load(write(GOOD), ["schedule.scale_to_steps=false"]))
    assert len(lines) == 1
    assert "keeps 21.9% of the image" in lines[0]
    assert "scale_to_steps" in lines[0]
    assert warnings(load(write(GOOD))) == []


def test_exploding_noise_without_scaled_inputs_is_warned_about(write):
    lines = warnings(load(write(GOOD), ["schedule={use='edm'}", "parameterization=v"]))
    assert len(lines) == 1
    assert "inputs of up to 80" in lines[0]
    assert "parameterization = 'edm'" in lines[0]
    assert warnings(load(write(GOOD), ["schedule={use='edm'}", "parameterization=edm"])) == []


def test_cycles_and_missing_files_in_extends_are_located(write):
    write('extends = "b.toml"\n', "a.toml")
    reported = problems(write('extends = "a.toml"\n', "b.toml"))
    assert "cycle" in reported[0].message
    reported = problems(write('# nothing\nextends = "nowhere.toml"\n', "c.toml"))
    assert (reported[0].line, reported[0].key) == (2, "extends")


HOSTILE = {
    "empty": b"",
    "binary": bytes(range(256)),
    "bad utf-8": GOOD.encode() + b'description = "\xff"\n',
    "deep array": b"a = " + b"[" * 20_000,
    "closed deep array": b"a = " + b"[" * 20_000 + b"]" * 20_000,
    "deep table": b"[" + b".".join([b"a"] * 5000) + b"]\n",
    "deep value": GOOD.encode() + b"[train]\nsteps = " + b"[" * 500 + b"]" * 500,
    "huge integer": GOOD.replace("300", "9" * 5000).encode(),
    "100 KB of comment": GOOD.encode() + b"#" * 100_000,
    "100 KB of keys": GOOD.encode() + b"".join(b"k%d = 1\n" % i for i in range(9_000)),
    "2 MB": b"#" * 2_000_000,
    "dates": GOOD.replace("steps = 300", "steps = 1979-05-27").encode(),
    "tables for values": GOOD.replace("steps = 300", "steps = {a = 1}").encode(),
    "values for tables": b'name = "x"\ndataset = 1\nschedule = []\ndenoiser = "unet"\nsampler = true\ntrain = 3\nevaluate = 1\nsweep = 2\n',
    "arrays of tables": GOOD.replace("[schedule]", "[[schedule]]").encode(),
}


@pytest.mark.parametrize("name", [name for name in HOSTILE if "comment" not in name])
def test_hostile_files_get_a_located_error_within_a_second(write, name):
    path = write(HOSTILE[name])
    started = time.process_time()
    reported = problems(path)
    assert time.process_time() - started < 1.0
    assert all(problem.where == str(path) and problem.message and "\n\n" not in problem.message for problem in reported)


LOCATED = {
    "an escape that is none": ('root = "C:\\Users\\me"', "use single quotes, 'C:\\Users\\me', or /"),
    "an escaped quote": ('root = "C:\\pics\\"', "use single quotes, 'C:\\pics\\', or /"),
    "a share": ('root = "\\\\server\\pics"', "use single quotes, '\\\\server\\pics', or /"),
    "in a list": ('a = ["C:\\data"]', "use single quotes, 'C:\\data', or /"),
    "escapes that are some": ('root = "C:\\temp\\new"', "a: root: looks like a Windows path in double quotes"),
    "a relative path": ('root = "..\\new"', "a: root: looks like a Windows path in double quotes"),
    "an endless integer": ("steps = " + "9" * 5000, "not valid TOML: an integer with too many digits"),
    "an integer with underscores": ("steps = 1_" + "000_" * 2000 + "0", "not valid TOML: an integer with too many digits"),
    "open brackets": ("a = " + "[" * 20_000, "nested too deeply (more than 32 levels)"),
    "closed brackets": ("a = " + "[" * 40 + "]" * 40, "nested too deeply (more than 32 levels)"),
    "tables in tables": ("a = " + "{a = " * 3000, "nested too deeply (more than 32 levels)"),
    "an open string": ("root = 'C:", 'not valid TOML: expected "\'"'),
}


@pytest.mark.parametrize("name", LOCATED)
def test_invalid_toml_is_reported_with_its_line_and_a_remedy(write, name):
    line, message = LOCATED[name]
    # Digits and brackets in comments and strings before it are not the ones that are meant.
    before = f'# {"9" * 5000} {"[" * 40}\nb = """\n{"9" * 5000}"""\n'
    path = write(f"{before}{line}\n")
    (problem,) = problems(path)
    assert str(problem).startswith(f"{path}:4: ")
    assert message in f"a: {problem.key}: {problem.message}"


def test_a_windows_path_in_single_quotes_or_with_slashes_is_one(write):
    for root in ("'C:\\temp\\new'", '"C:/temp/new"', '"C:\\\\temp\\\\new"'):
        assert "no folder" in problems(write(GOOD.replace('"cars"', f'"cars"\nroot = {root}')))[0].message
    for root in ("C:\\temp\\new", '"C:\\temp\\new"', '"C:\\Users"'):  # in a shell's quotes too
        (problem,) = problems(write(GOOD), f"dataset.root={root}")
        assert problem.message.startswith("no folder '")
        assert problem.message.endswith(f"{root.strip(chr(34))}'")


def test_the_time_to_locate_a_mistake_is_linear_in_the_file(write):
    deep = "a = " + "[" * 2000 + "\n"
    for garbage in ('"""\n' + '\\"""\n' * 45_000, '"\\' * 120_000, "'''" * 80_000, ("1" * 4000 + " ") * 60):
        path = write(deep + garbage)
        started = time.process_time()
        assert problems(path)[0].line == 1
        assert time.process_time() - started < 1.0


def test_a_long_comment_is_read_quickly(write):
    assert load(write(HOSTILE["100 KB of comment"])).name == "mine"


def test_folders_and_missing_files_are_reported(tmp_path):
    assert "is a folder" in problems(tmp_path)[0].message
    assert "no such file" in problems(tmp_path / "no.toml")[0].message
    assert problems(tmp_path / "a\0b")[0].message


@settings(max_examples=150, deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_mutated_recipe_is_valid_or_a_recipe_error(tmp_path, data):
    text = list(GOOD + "[train]\nsteps = 5\nema = 0.9\n[evaluate]\nfeatures = ['efficientnet_lite0']\n")
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(text) - 1))
        match data.draw(st.sampled_from(["delete", "insert", "swap"])):
            case "delete":
                del text[at]
            case "insert":
                text.insert(
                    at,
                    data.draw(
                        st.one_of(
                            st.characters(codec="utf-8"), st.sampled_from(['"', "[", "]", "=", "\n", "nan", "-", "9e999", "{"])
                        )
                    ),
                )
            case "swap":
                other = data.draw(st.integers(0, len(text) - 1))
                text[at], text[other] = text[other], text[at]
    path = tmp_path / "mutated.toml"
    path.write_text("".join(text))
    try:
        assert isinstance(load(path), Recipe)
    except RecipeError as error:
        assert error.problems


def test_the_schema_knows_every_installed_component_and_accepts_the_shipped_recipes(repository):
    import tomllib

    jsonschema = pytest.importorskip("jsonschema")
    made = schema()
    jsonschema.Draft7Validator.check_schema(made)
    validator = jsonschema.Draft7Validator(made)
    for path in shipped(repository):
        values = tomllib.loads(path.read_text())
        if "extends" not in values:
            assert [error.message for error in validator.iter_errors(values)] == []
    broken = tomllib.loads(GOOD)
    broken["sampler"]["etta"] = 1
    assert list(validator.iter_errors(broken))
    assert "eta" in json.dumps(made["properties"]["sampler"])


GUIDED = ["train.condition=true", "sampler.guidance=3", "sampler.clamp=false"]


def test_evaluation_inherits_guidance_and_clamp_unless_it_sets_its_own(write, tmp_path):
    own = "evaluate.sampler={use='heun', steps=4}"
    recipe = load(write(GOOD), [*GUIDED, own])
    assert (recipe.evaluation_sampler.guidance, recipe.evaluation_sampler.clamp) == (3.0, False)
    assert recipe.evaluation_sampler.steps == 4
    assert warnings(recipe) == []
    save(recipe, tmp_path / "stored.toml")
    assert load(tmp_path / "stored.toml") == recipe

    set_here = load(write(GOOD), [*GUIDED, own, "evaluate.sampler.guidance=1.5"])
    assert (set_here.evaluation_sampler.guidance, set_here.evaluation_sampler.clamp) == (1.5, False)
    (warning,) = warnings(set_here)
    assert "evaluate.sampler.guidance is 1.5 and sampler.guidance is 3.0" in warning


def test_a_stored_recipe_of_an_older_version_keeps_the_guidance_it_states(repository):
    stored = repository / "tests" / "fixtures" / "run_schema_1" / "recipe.toml"
    assert load(stored, ["train.condition=true", "sampler.guidance=3"]).evaluation_sampler.guidance == 1.0


def test_inherited_guidance_without_labels_is_reported_once(write):
    reported = problems(write(GOOD), "sampler.guidance=3", "evaluate.sampler={use='ddim', steps=2}")
    assert [problem.key for problem in reported] == ["sampler.guidance"]


@pytest.mark.parametrize(("guidance", "nfe"), [(1, 7), (3, 14), (0, 14)])
def test_guidance_doubles_the_network_evaluations(write, guidance, nfe):
    settings = ["train.condition=true", f"sampler.guidance={guidance}", "evaluate.sampler={use='heun', steps=4}"]
    recipe = load(write(GOOD), settings)
    assert expected_nfe(recipe.evaluation_sampler, recipe.schedule.component) == nfe
