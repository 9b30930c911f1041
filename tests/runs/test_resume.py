"""Resuming runs: which run, with which changes, and that it ends like a run with these settings from the start."""

import json
import re
import shlex

import pytest
import torch

from workbench.errors import CheckpointError, RecipeError
from workbench.interfaces import NullTracker
from workbench.model.build import assemble
from workbench.recipe import load, save
from workbench.runs.folder import create_run
from workbench.runs.recording import record_run
from workbench.runs.resume import plan_run
from workbench.training.checkpoint import latest_checkpoint
from workbench.training.environment import compare_environment
from workbench.training.loop import train

CPU = torch.device("cpu")
NAME = "cars_linear"
SMALL = [
    "denoiser={use='small_cnn', channels=8, depth=1}", "dataset.image_size=16", "sampler={use='ddim', steps=2}", "train.steps=4", "train.batch_size=4",
    "train.warmup=0", "train.decay=constant", "train.log_every=1", "train.validate_every=4", "train.checkpoint_every=100", "train.precision=fp32", "train.fast_path=off",
    "evaluate.samples=2", "evaluate.real=4", "evaluate.grid=2", "evaluate.neighbours=0", "evaluate.every=2", "evaluate.at_start=false", "evaluate.features=[]",
]  # fmt: skip


@pytest.fixture
def recipe(repository):
    return repository / "recipes" / f"{NAME}.toml"


@pytest.fixture
def stored(recipe, tmp_path):
    """A run folder with a recipe, a status and the name of a checkpoint, as if it had been trained."""

    def make(*overrides, status="KILLED", step=4, checkpoint=True):
        run = create_run(tmp_path, NAME)
        save(load(recipe, [*SMALL, *overrides]), run.recipe)
        run.update(status=status, step=step)
        if checkpoint:
            (run.checkpoints / f"step_{step:08d}").mkdir(parents=True)
        return run

    return make


@pytest.fixture
def trained(recipe, tmp_path, cache):
    """Train a recipe to its end in a new run, or a run as planned."""

    def make(*overrides, plan=None):
        run = create_run(tmp_path, NAME) if plan is None else plan.folder
        if plan is None:
            save(load(recipe, [*SMALL, *overrides]), run.recipe)
        else:
            plan.apply()
        parts, resume = assemble(load(run.recipe), CPU, cache), latest_checkpoint(run.checkpoints)
        resume = resume if plan is None else plan.checkpoint(resume)
        level = None if resume is None else compare_environment(resume, parts).level
        steps = train(parts, run.checkpoints, resume=resume, run=run.id, recorded=run.recorded)
        moments = list(record_run(steps, run, NullTracker(), pytest.fail))
        return run, moments, level

    return make


def tensors_of(run):
    newest = latest_checkpoint(run.checkpoints)
    return {path.name: newest.tensors(path.name) for path in newest.folder.glob("*.safetensors")}


def test_a_finished_run_trained_longer_ends_like_a_longer_run(trained, tmp_path):
    whole, _, _ = trained("train.steps=8")
    run, _, _ = trained()
    plan = plan_run(tmp_path, None, ["train.steps=8"], run.id)
    assert (plan.notes, plan.folder) == (("train.steps 4 -> 8",), run)
    _, moments, level = trained(plan=plan)
    assert level == "bit"
    assert [moment.step for moment in moments if "eval/seconds" in moment.metrics] == [
        6,
        8,
    ]  # 4 was evaluated before, as the last step
    assert [moment.step for moment in moments if "val/loss" in moment.metrics] == [8]
    for name, tensors in tensors_of(whole).items():
        assert all(torch.equal(value, tensors_of(run)[name][key]) for key, value in tensors.items()), name
    assert whole.final()[0].keys() == run.final()[0].keys()
    assert run.final()[0]["val/loss"] == whole.final()[0]["val/loss"]
    (entry,) = run.info()["changes"]
    assert (entry["step"], entry["changed"]) == (4, {"train.steps": [4, 8]})
    assert (run.status(), run.info()["step"], load(run.recipe).train.steps) == ("FINISHED", 8, 8)


def test_a_changed_learning_rate_is_reported(trained, tmp_path):
    run, _, _ = trained("train.decay=cosine", "train.learning_rate=1.0")
    plan = plan_run(tmp_path, None, ["train.steps=8"], run.id)
    assert "the learning rate at step 4 is 0.5 instead of 0: it follows the changed recipe" in plan.notes
    _, moments, level = trained(plan=plan)
    assert level == "statistical"
    rates = {moment.step: moment.metrics["train/learning_rate"] for moment in moments if "train/loss" in moment.metrics}
    assert rates[5] == pytest.approx(0.5)
    assert rates[8] == pytest.approx(0.0381, abs=1e-4)


def test_minutes_before_a_resume_count(trained, tmp_path):
    run, _, _ = trained("train.steps=1_000_000", "train.max_minutes=0.0001")
    spent = latest_checkpoint(run.checkpoints).state.seconds
    with pytest.raises(CheckpointError, match=r"has finished at step \d+\. .*--set train\.max_minutes=0\.0002`"):
        plan_run(tmp_path, None, ["train.steps=2_000_000"], run.id)
    minutes = spent / 60.0 + 0.0001
    _, moments, _ = trained(plan=plan_run(tmp_path, None, [f"train.max_minutes={minutes}"], run.id))
    after = latest_checkpoint(run.checkpoints).state
    assert after.seconds >= 60.0 * minutes
    assert after.step == moments[-1].step > 1
    assert moments[-1].phase == "finished"


def test_the_advice_of_a_finished_run_works(trained, tmp_path):
    run, _, _ = trained()
    with pytest.raises(CheckpointError, match=rf"run {run.id} has finished at step 4\.") as caught:
        plan_run(tmp_path, None, [], run.id)
    advised = re.search(r"`wb run --resume (\S+) --set (\S+)`", str(caught.value))
    assert plan_run(tmp_path, None, [advised[2]], advised[1]).recipe.train.steps == 8
    with pytest.raises(CheckpointError, match=r"--set train\.steps=2: run .* has made 4 steps already"):
        plan_run(tmp_path, None, ["train.steps=2"], run.id)


@pytest.mark.parametrize("override", ["parameterization=x0", "seed=1", "name=other", "dataset.image_size=32", "train.flip=false", "train.ema=0.5", "objective.weight=edm"])  # fmt: skip
def test_settings_that_weights_depend_on_cannot_change(stored, tmp_path, override):
    run = stored()
    with pytest.raises(RecipeError, match=rf"--set: {override.partition('=')[0]}: cannot change .*\[evaluate\] can\. For a new run: wb run {run.id} --set ") as caught:  # fmt: skip
        plan_run(tmp_path, None, [override], run.id)
    advised = shlex.split(str(caught.value).rpartition("For a new run: wb ")[2])
    assert load(run.recipe, [advised[-1]]) == load(run.recipe, [override])


@pytest.mark.parametrize("override", ["train.steps=9", "train.max_minutes=5", "train.learning_rate=1e-5", "train.batch_size=2", "evaluate.samples=8", "sampler.steps=9"])  # fmt: skip
def test_settings_of_training_and_evaluation_may_change(stored, tmp_path, override):
    run = stored(checkpoint=False)
    plan = plan_run(tmp_path, None, [override], run.id)
    assert [change.key for change in plan.changes] == [override.partition("=")[0]]
    plan.apply()
    assert load(run.recipe) == plan.recipe


def test_auto_resumes_the_newest_unfinished_run(stored, recipe, tmp_path):
    stored(status="FINISHED")
    run = stored()
    stored(checkpoint=False)
    stored("train.batch_size=8")
    assert plan_run(tmp_path, str(recipe), SMALL, "auto").folder == run


def test_auto_of_a_finished_recipe_is_done(stored, recipe, tmp_path):
    run = stored(status="FINISHED")
    stored("train.batch_size=8")
    plan = plan_run(tmp_path, str(recipe), SMALL, "auto")
    assert plan.done
    assert (
        f"run {run.id} of this recipe has finished already; train it longer: wb run --resume {run.id} --set train.steps=8"
        in plan.notes[0]
    )


def test_auto_without_a_matching_run_names_the_differences(stored, recipe, tmp_path):
    assert plan_run(tmp_path, str(recipe), SMALL, "auto").notes == ("no unfinished run of this recipe: starting a new one",)
    finished, early = stored(status="FINISHED"), stored("train.steps=6", checkpoint=False)
    other = stored("train.steps=6", "seed=3", "parameterization=x0", "train.warmup=7")
    plan = plan_run(tmp_path, str(recipe), [*SMALL, "train.steps=6"], "auto")
    assert (plan.folder, plan.done) == (None, False)
    first, *others = plan.notes
    assert first == "no unfinished run of this recipe: starting a new one"
    assert others == [
        f'unfinished run {other.id} (step 4) differs: parameterization "x0" -> "v", seed 3 -> 0, train.warmup 7 -> 0',
        f"unfinished run {early.id} (step 4) has no checkpoint yet",
        f"finished run {finished.id} (step 4) differs: train.steps 4 -> 6; to resume it with them: wb run --resume {finished.id} --set train.steps=6",
    ]


def test_changes_are_recorded_in_order(stored, tmp_path):
    run = stored(step=0, checkpoint=False)
    for steps in (5, 6):
        plan_run(tmp_path, None, [f"train.steps={steps}"], run.id).apply()
        assert run.info()["status"] == "RUNNING"
    assert [entry["changed"]["train.steps"] for entry in json.loads((run.path / "run.json").read_text())["changes"]] == [
        [4, 5],
        [5, 6],
    ]


def test_a_home_without_runs_is_named(tmp_path):
    with pytest.raises(
        CheckpointError, match=rf"no run 'latest' in {tmp_path}/runs; .*set WB_HOME to the folder that contains runs/"
    ):
        plan_run(tmp_path, None, [], "latest")
