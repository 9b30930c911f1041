"""A run folder is complete: sampling, comparing and measuring need no data, and changes of the data are reported."""

import contextlib
import io
import json
import shutil
import sys

import pytest
import torch
from PIL import Image

from workbench.cli import main
from workbench.errors import CheckpointError
from workbench.progress import Stop
from workbench.recipe import load
from workbench.runs.combinations.evaluator import CombinationEvaluator, Measurement
from workbench.runs.folder import RunFolder
from workbench.runs.spec import RunSpec, read_run
from workbench.sweep.folder import SweepFolder
from workbench.sweep.trial import Hooks, run_trial
from workbench.sweep.wire import Task

RECIPE = """
name = "classes"
parameterization = "v"
dataset = { use = "folder", root = "%s", image_size = 16 }
schedule = { use = "linear", steps = 100 }
denoiser = { use = "small_cnn", channels = 8, depth = 1 }
sampler = { use = "ddim", steps = 2 }
train = { steps = 4, batch_size = 4, warmup = 0, learning_rate = 0.01, validate_every = 0, condition = true, fast_path = "off" }
evaluate = { samples = 4, real = 4, at_start = false, grid = 4, neighbours = 0 }
"""


def write_images(folder, count, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.new("RGB", (16, 16), ((37 * i + seed) % 256, (91 * i) % 256, seed % 256)).save(folder / f"{folder.name}{i:02d}.png")


def call(*words):
    """Run the command in this process: (exit code, stdout and stderr with single spaces)."""
    code, out = 0, io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["wb", *map(str, words)])
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    return code, " ".join(out.getvalue().split())


@contextlib.contextmanager
def at(base):
    """Work in an empty folder, with the home and the cache in `base`."""
    (base / "elsewhere").mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(base / "elsewhere")
        patch.setenv("WB_HOME", str(base / "home"))
        patch.setenv("WB_CACHE", str(base / "cache"))
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A conditional run and an unconditional one of the same two classes, with all that they cached."""
    base = tmp_path_factory.mktemp("trained")
    write_images(base / "data" / "audi", 12)
    write_images(base / "data" / "bmw", 12, seed=200)
    (base / "recipe.toml").write_text(RECIPE % (base / "data"))
    with at(base):
        for overrides in ([], ["name=plain", "train.condition=false", "evaluate.features=[]"]):
            words = [word for text in overrides for word in ("--set", text)]
            assert call("run", base / "recipe.toml", "--no-track", *words)[0] == 0
    return base


@pytest.fixture
def place(trained, tmp_path):
    """A copy of everything, which a test may change, and a working directory that holds nothing."""
    base = tmp_path / "copy"
    shutil.copytree(trained, base)
    for path in [base / "recipe.toml", *base.glob("home/runs/*/recipe.toml"), *base.glob("home/runs/*/spec.json")]:
        path.write_text(path.read_text().replace(str(trained), str(base)))
    with at(base):
        yield base


def run_of(place, name="classes"):
    (path,) = place.glob(f"home/runs/{name}-*")
    return RunFolder(path)


def draw(place, *words):
    """The bytes of what is drawn."""
    code, output = call("sample", "classes", "-n", "2", "--out", place / "drawn.png", "--force", *words)
    assert code == 0, output
    return (place / "drawn.png").read_bytes()


def test_the_folder_holds_what_the_run_was_trained_on(place):
    spec = RunSpec.read(run_of(place))
    assert (spec.sample.shape, spec.sample.classes, spec.sample.captions) == ((3, 16, 16), ("audi", "bmw"), False)
    assert spec.train.size + spec.test.size == 24
    assert (spec.train.source, spec.train.location) == ("image folder", str(place / "data"))
    assert spec.train.fingerprint != spec.test.fingerprint


def test_a_run_is_used_without_its_data(place):
    (place / "data").rename(place / "moved")
    for words in (["sample", "classes", "-n", "2"], ["compare", "classes", "plain"], ["explain", "plain"]):
        code, output = call(*words)
        assert code == 0, output


def test_an_evaluation_with_cached_features_measures_without_the_data_what_the_run_measured_with_them(place):
    (place / "data").rename(place / "moved")
    code, output = call("eval", "classes", "--no-track", "--json")
    assert code == 0, output
    metrics, _ = run_of(place).final()
    measured = json.loads(output[output.index("{") :])["rows"][0]["metrics"]
    assert measured == {name: metrics[name] for name in measured}
    assert {"fd_efficientnet_lite0", "kid_efficientnet_lite0"} < measured.keys()


def test_an_evaluation_without_features_and_data_names_the_folder(place):
    (place / "data").rename(place / "moved")
    shutil.rmtree(place / "cache" / "features")
    code, output = call("eval", "classes", "--no-track")
    assert code == 2
    assert f"features of its data are not in {place / 'cache'}, so the data are needed: no folder" in output
    assert str(place / "data") in output


def test_a_class_that_is_renamed_is_still_drawn_by_its_name(place):
    before = {name: draw(place, "--label", name) for name in ("audi", "bmw")}
    assert before["audi"] != before["bmw"]
    (place / "data" / "audi").rename(place / "data" / "zaudi")
    assert {name: draw(place, "--label", name) for name in ("audi", "bmw")} == before
    code, output = call("sample", "classes", "--label", "zaudi")
    assert (code, "--label: the run has no class 'zaudi'; its classes: audi, bmw" in output) == (2, True)


def test_labels_that_mean_other_classes_are_refused(place):
    (place / "data" / "audi").rename(place / "data" / "zaudi")
    run = run_of(place)
    run.update(status="KILLED")
    code, output = call("run", "--resume", run.id, "--no-track")
    assert (code, "label 0 meant 'audi' and means 'bmw' now" in output, run.info()["status"]) == (2, True, "KILLED")
    shutil.rmtree(place / "cache")
    code, output = call("eval", run.id, "--no-track")
    assert (code, "label 0 meant 'audi' and means 'bmw' now" in output) == (2, True)
    # A new run with the same recipe may have other classes, which is reported.
    code, output = call("run", run.id, "--no-track")
    assert (code, "classes or shape of the data have changed: label 0 meant 'audi'" in output) == (0, True)


def test_data_that_have_changed_are_reported_wherever_they_are_read(place):
    write_images(place / "data" / "audi", 13)
    run = run_of(place, "plain")
    before = RunSpec.read(run)
    change = f"the training data have changed since the run was made: {before.train.size} images in {place / 'data'} then"
    for words in (["run", run.id], ["run", "--resume", run.id]):
        run.update(status="KILLED")
        code, output = call(*words, "--no-track")
        assert (code, change in output) == (0, True), output
    # From now on the run has been trained on these data, too.
    after = RunSpec.read(run)
    assert (after.earlier, after.train.size) == ((before.train.fingerprint,), before.train.size + 1)
    run.update(status="KILLED")
    assert change not in call("run", "--resume", run.id, "--no-track")[1]


@pytest.mark.parametrize(("real", "reads"), [(4, False), (5, True)])
def test_an_evaluation_reads_the_data_only_for_features_that_are_not_cached(place, real, reads):
    write_images(place / "data" / "audi", 13)
    run, warnings = run_of(place), []
    recipe, spec = read_run(run, place / "cache")
    measurement = Measurement(samples=4, seed=0, real=real, features=recipe.evaluate.features)
    CombinationEvaluator(run, recipe, spec, measurement, torch.device("cpu"), place / "cache", warn=warnings.append)
    assert [line.partition(" have changed")[0] for line in warnings] == (["the training data"] if reads else [])


def test_a_trial_that_is_resumed_reports_changed_data_and_refuses_other_classes(place):
    space = '[sweep]\nmetric = "val/loss"\nconfirm = 0\n[sweep.space]\n"train.learning_rate" = { low = 1e-3, high = 1e-1 }\n'
    path = place / "sweep.toml"
    path.write_text((place / "recipe.toml").read_text() + space)
    folder, task, stop = SweepFolder.of(place / "home", "search"), Task("trial", 0, "search-t0000"), Stop()
    folder.create(load(path, ["evaluate.features=[]"]), "sweep.toml", None)
    stop.request()  # each attempt ends with a checkpoint before its first step
    warnings = []

    def attempt():
        return run_trial(task, folder, torch.device("cpu"), Hooks(warn=warnings.append), stop)

    assert (attempt(), warnings) == (None, [])
    components = json.loads((place / "home" / "runs" / task.run / "run.json").read_text())["components"]
    assert {component["kind"] for component in components} >= {"datasets", "schedules", "denoisers", "samplers"}
    write_images(place / "data" / "audi", 13)
    assert attempt() is None
    assert [line.partition(" have changed")[0] for line in warnings] == ["the training data"]
    (place / "data" / "audi").rename(place / "data" / "zaudi")
    assert "label 0 meant 'audi' and means 'bmw' now" in attempt().error
    assert folder.loaded().name == "classes"
    (place / "data").rename(place / "moved")
    assert folder.loaded().name == "classes"


def test_a_run_without_labels_survives_another_class(place):
    write_images(place / "data" / "zebra", 4)
    run = run_of(place, "plain")
    run.update(status="KILLED")
    code, output = call("run", "--resume", run.id, "--no-track")
    assert (code, "training data have changed" in output) == (0, True)
    assert call("sample", run.id, "-n", "1")[0] == 0


def test_the_spec_of_an_older_run_is_read_from_its_data_once(place):
    run = run_of(place)
    before, images = run.spec.read_text(), draw(place)
    run.spec.unlink()
    assert draw(place) == images
    assert run.spec.read_text() == before
    run.spec.unlink()
    (place / "data").rename(place / "moved")
    code, output = call("sample", run.id)
    assert (code, "so the data are needed once: no folder" in output, str(place / "data") in output) == (2, True, True)
    assert call("compare", "classes", "plain")[0] == 0


def test_data_that_are_not_those_of_an_older_run_are_not_stored_as_its_own(place):
    run = run_of(place)
    run.spec.unlink()
    (place / "data" / "audi").rename(place / "data" / "zaudi")
    code, output = call("sample", run.id, "-n", "1")
    assert (code, "labels may stand for other classes" in output) == (0, True)
    assert not run.spec.exists()


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 1}', '{"schema": 1, "shape": [3, 16], "classes": []}'])
def test_a_damaged_spec_is_reported_with_what_to_do(place, text):
    run = run_of(place)
    run.spec.write_text(text)
    with pytest.raises(CheckpointError, match=r"is damaged .* delete it"):
        RunSpec.read(run)


def test_a_spec_of_a_later_version_is_refused(place):
    run = run_of(place)
    run.spec.write_text(json.dumps({**json.loads(run.spec.read_text()), "schema": 99}))
    with pytest.raises(CheckpointError, match="another version of the workbench"):
        RunSpec.read(run)
