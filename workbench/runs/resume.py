"""Plan a run: the run to resume, its recipe, and the differences from the stored recipe."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.errors import CheckpointError, Problem, RecipeError
from workbench.files import is_file
from workbench.instants import utc_now
from workbench.recipe import Recipe, Train, load, save
from workbench.runs.folder import RunFolder, find_run, list_runs
from workbench.training import Checkpoint, TrainState, latest_checkpoint, learning_rate, newest_folder

# Length and method of training, and how a run is measured. All other fields determine what its weights mean.
MAY_CHANGE = ("train.", "sampler.", "evaluate.")
MEANING = ("train.condition", "train.label_dropout", "train.flip", "train.ema")
LENGTH = ("train.steps", "train.max_minutes")
MOST = 3  # runs, and changes of a run, named in a message


@dataclass(frozen=True)
class Change:
    """A recipe field with its value before and after; None where it is absent."""

    key: str
    old: object
    new: object

    @property
    def is_allowed(self) -> bool:
        """True if a run can be resumed with it."""
        return self.key.startswith(MAY_CHANGE) and self.key not in MEANING

    def __str__(self) -> str:
        return f"{self.key} {_text(self.old)} -> {_text(self.new)}"


@dataclass(frozen=True)
class Plan:
    """A run to start: `recipe`, in the `folder` of a run that is resumed, or in a new one (None).

    `source` is the recipe's file, `changes` are those to the recipe of the resumed run, `notes` are for the user to read first. `ended`: the run
    had finished and was evaluated at its end. `done`: nothing is left to train.
    """

    recipe: Recipe
    source: Path
    folder: RunFolder | None = None
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    ended: bool = False
    done: bool = False

    def apply(self) -> None:
        """Write the changes to the run's folder: history and status, then the recipe, each atomically."""
        if self.folder is None or not self.changes:
            return
        info = self.folder.info()
        changed = {change.key: [change.old, change.new] for change in self.changes}
        entry = {"at": utc_now().isoformat(), "step": info["step"], "changed": changed}
        self.folder.update(status="RUNNING", changes=[*info.get("changes", []), entry])
        save(self.recipe, self.folder.recipe)

    def repeated(self) -> RunFolder | None:
        """The run whose stored recipe is run again in a new folder, if there is one."""
        run = RunFolder(self.source.parent)
        return run if self.folder is None and self.source == run.recipe and run.exists() else None

    def checkpoint(self, newest: Checkpoint | None) -> Checkpoint | None:
        """The checkpoint to resume from; a finished run is not evaluated a second time at its old end."""
        if newest is None or not self.ended:
            return newest
        return replace(newest, state=replace(newest.state, evaluated=newest.state.step, validated=newest.state.step))


def plan_run(home: Path, target: str | None, overrides: Sequence[str], resume: str | None) -> Plan:
    """Plan what `wb run` does with `target`, a recipe file or a run to repeat, or with a run to `resume` ("auto": one of the recipe).

    Raises CheckpointError if there is no such run or nothing is left to train, RecipeError for a change that would alter the meaning of
    the weights.
    """
    if resume is not None and resume != "auto":
        if target is not None:
            raise CheckpointError("--resume RUN uses the run's own recipe: leave out the recipe, or use --resume auto")
        return _resumed(find_run(home, resume), overrides)
    if target is None:
        raise CheckpointError(
            "nothing to run: name a recipe, for example `wb run recipes/cars_linear.toml` (all of them: wb recipes)"
        )
    path = Path(target)
    if not target.endswith(".toml") and not is_file(path):
        path = find_run(home, target).recipe
    recipe = load(path, overrides)
    return _newest_unfinished(home, recipe, path) if resume == "auto" else Plan(recipe, path)


def differences(old: Recipe, new: Recipe) -> tuple[Change, ...]:
    """The fields whose values differ, sorted by name."""
    before, after = old.flat(), new.flat()
    return tuple(
        Change(key, before.get(key), after.get(key)) for key in sorted({*before, *after}) if before.get(key) != after.get(key)
    )


def _resumed(folder: RunFolder, overrides: Sequence[str]) -> Plan:
    stored = load(folder.recipe)
    recipe = load(folder.recipe, overrides)
    changes = differences(stored, recipe)
    if refused := [change for change in changes if not change.is_allowed]:
        raise RecipeError([Problem("--set", None, change.key, _refusal(folder, change)) for change in refused])
    plan = Plan(recipe, folder.recipe, folder, changes, ended=folder.info()["status"] == "FINISHED")
    if not plan.ended and not changes:
        return plan
    checkpoint = latest_checkpoint(folder.checkpoints)
    if checkpoint is None:
        if plan.ended:
            raise CheckpointError(
                f"run {folder.id} has finished and has no checkpoint to resume from; repeat it: wb run {folder.id}"
            )
        return replace(plan, notes=tuple(map(str, changes)))
    _check_left(plan, checkpoint.state)
    return replace(plan, notes=(*map(str, changes), *_rate_notes(stored.train, recipe.train, checkpoint.state.step)))


def _refusal(folder: RunFolder, change: Change) -> str:
    return (
        f"cannot change in a run that is resumed, whose weights were trained with {_text(change.old)}; [train] except "
        f"{', '.join(key.partition('.')[2] for key in MEANING)}, [sampler] and [evaluate] can. For a new run: "
        f"wb run {folder.id} --set {_assignment(change)}"
    )


def _check_left(plan: Plan, state: TrainState) -> None:
    settings, run = plan.recipe.train, plan.source.parent.name
    if settings.steps < state.step:
        raise CheckpointError(f"--set train.steps={settings.steps}: run {run} has made {state.step} steps already")
    if plan.ended and state.has_reached(settings.steps, settings.max_minutes):
        raise CheckpointError(
            f"run {run} has finished at step {state.step}. Train it longer: `wb run --resume {run}{_longer(settings, state)}`. "
            f"Repeat it: `wb run {run}`. Draw images: `wb sample {run}`"
        )


def _longer(settings: Train, state: TrainState) -> str:
    """The options that double the length of a run that has reached its end."""
    steps = f" --set train.steps={2 * state.step}" if state.has_reached(settings.steps, None) else ""
    minutes = settings.max_minutes
    is_over = minutes is not None and state.has_reached(settings.steps + 1, minutes)
    return steps + (f" --set train.max_minutes={2 * minutes:g}" if minutes is not None and is_over else "")


def _rate_notes(old: Train, new: Train, step: int) -> list[str]:
    before, after = learning_rate(old, step), learning_rate(new, step)
    if before == after:
        return []
    return [f"the learning rate at step {step} is {after:.3g} instead of {before:.3g}: it follows the changed recipe"]


def _newest_unfinished(home: Path, recipe: Recipe, source: Path) -> Plan:
    """The newest unfinished run of a recipe with a checkpoint, or a new run and the reason for it."""
    finished: RunFolder | None = None
    others: list[str] = []
    for folder in reversed(list_runs(home)):
        info = folder.info()
        if info.get("name") != recipe.name:
            continue
        try:
            changes = tuple(change for change in differences(load(folder.recipe), recipe) if change.key != "description")
        except RecipeError:
            continue
        ended = info["status"] == "FINISHED"
        if not changes and not ended and newest_folder(folder.checkpoints) is not None:
            return Plan(recipe, source, folder)
        if not changes and ended:
            finished = finished or folder
        elif not ended or any(change.key in LENGTH for change in changes):
            others.append(_difference(folder, info["step"], ended, changes))
    if finished is not None:
        note = f"nothing to do: run {finished.id} of this recipe has finished already; {_advice(finished, recipe)}"
        return Plan(recipe, source, finished, notes=(note,), done=True)
    return Plan(recipe, source, notes=("no unfinished run of this recipe: starting a new one", *others[:MOST]))


def _advice(run: RunFolder, recipe: Recipe) -> str:
    return f"train it longer: wb run --resume {run.id} --set train.steps={2 * recipe.train.steps}, repeat it: wb run {run.id}"


def _difference(run: RunFolder, step: int, ended: bool, changes: Sequence[Change]) -> str:
    """The reason why a run is not resumed, and how to resume it."""
    subject = f"{'finished' if ended else 'unfinished'} run {run.id} (step {step})"
    if not changes:
        return f"{subject} has no checkpoint yet"
    named = ", ".join(map(str, changes[:MOST])) + (f" and {len(changes) - MOST} more" if len(changes) > MOST else "")
    command = ""
    if all(change.is_allowed and change.new is not None for change in changes):
        command = (
            f"; to resume it with them: wb run --resume {run.id} {' '.join(f'--set {_assignment(change)}' for change in changes)}"
        )
    return f"{subject} differs: {named}{command}"


def _assignment(change: Change) -> str:
    return shlex.quote(f"{change.key}={_text(change.new)}")


def _text(value: object) -> str:
    return "absent" if value is None else json.dumps(value)
