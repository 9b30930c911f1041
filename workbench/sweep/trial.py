"""One trial: the run that its recipe describes, in a run folder of its own."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

import torch

from workbench.evaluation import prepare_references
from workbench.files import exclusive_lock, write_text
from workbench.home import cache_folder
from workbench.interfaces import NullTracker, Tracker
from workbench.model import Parts
from workbench.progress import Progress, Stop, Stopped
from workbench.recipe import Recipe
from workbench.runs import Plan, RunFolder, Session, Store, open_session
from workbench.sweep.folder import SweepFolder
from workbench.sweep.ledger import TrialOutcome
from workbench.sweep.objectives import search_targets
from workbench.sweep.trial_recipe import prune_metric, recipe_of, settings_of
from workbench.sweep.wire import Task

LOCK_SECONDS = 120.0  # for a worker without a coordinator to write its last checkpoint
SENDING_SECONDS = 2.0


class Hooks:
    """What a trial reports: its progress, its intermediate values, and warnings.

    `report(step, value)` returns True if the trial is to be pruned.
    """

    def __init__(
        self,
        progress: Callable[[Progress], None] = lambda _: None,
        report: Callable[[int, float], bool] = lambda step, value: False,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.progress, self.report, self.warn = progress, report, warn


def run_trial(task: Task, folder: SweepFolder, device: torch.device, hooks: Hooks, stop: Stop) -> TrialOutcome | None:
    """Run a trial, or resume it, to its end; None if `stop` was requested before.

    Any error is the trial's outcome: "failed", with the traceback as text and as an artifact.
    """
    started = time.perf_counter()
    run = RunFolder(folder.home / "runs" / task.run)
    run.path.mkdir(parents=True, exist_ok=True)
    try:
        recipe = recipe_of(folder, task.overrides)
        with run.writing(LOCK_SECONDS):  # another worker may just have finished the trial without reporting it
            outcome = _ended(run, recipe)
        if outcome is not None:
            return outcome
        with _open(task, folder, run, recipe, device, hooks) as session:
            try:
                outcome = _run(task, folder, session, recipe, hooks, stop)
            except Stopped:
                raise
            except Exception:  # whichever component is at fault, the other trials continue
                outcome = _failed(run, session.tracker, traceback.format_exc())
    except Stopped:
        run.update(status="KILLED")
        return None
    except Exception:
        outcome = _failed(run, NullTracker(), traceback.format_exc())
    return None if outcome is None else replace(outcome, seconds=time.perf_counter() - started)


def _open(
    task: Task, folder: SweepFolder, run: RunFolder, recipe: Recipe, device: torch.device, hooks: Hooks
) -> AbstractContextManager[Session]:
    # The search is recorded once, by the sweep: in every trial it would hide what was chosen.
    plan = Plan(recipe.model_copy(update={"sweep": None}), folder.recipe, run)
    store = Store(send=bool(task.parent), parent=task.parent["run"] if task.parent else None)
    return open_session(
        plan,
        folder.home,
        device=device,
        store=store,
        tags={"wb.sweep": folder.name, "wb.trial": str(task.number)},
        warn=hooks.warn,
        lock_seconds=LOCK_SECONDS,
        # The rest is sent when the sweep ends: the next trial does not wait for it.
        sending_seconds=SENDING_SECONDS,
        is_one_of_many=True,
    )


def _run(task: Task, folder: SweepFolder, session: Session, recipe: Recipe, hooks: Hooks, stop: Stop) -> TrialOutcome | None:
    """Train and evaluate, or evaluate only; None if `stop` was requested before the end."""
    run, parts, cache = session.folder, session.parts, cache_folder(folder.home)
    with exclusive_lock(cache / "preparing.lock"):  # features of the data are extracted once for all workers
        prepare_references(parts.recipe, parts.train, cache, parts.device, stop)
    if _is_too_large(recipe, parts):
        return _infeasible(session)
    trial_stop = Stop(within=stop)
    if task.trained_by and task.trained_by != run.id:
        stream = session.evaluate(RunFolder(folder.home / "runs" / task.trained_by), trial_stop, hooks.warn)
        metric = None
    else:
        stream, metric = session.train(trial_stop, hooks.warn), prune_metric(recipe)
    is_pruned = False
    for progress in stream:
        hooks.progress(progress)
        value = progress.metrics.get(metric or "")
        if value is None or is_pruned or not 0 < progress.step < recipe.train.steps:
            continue
        if hooks.report(progress.step, value):
            is_pruned = True
            run.update(ending="pruned")
            session.tracker.tags({"pruned": "true"})
            trial_stop.request()
    if session.phase == "finished":
        return _complete(run, recipe)
    return TrialOutcome("pruned", run=run.id) if is_pruned else None


def _ended(run: RunFolder, recipe: Recipe) -> TrialOutcome | None:
    """The outcome of a trial that a worker ended without being able to report it."""
    if not run.exists():
        return None
    info = run.info()
    if info["status"] == "FINISHED":
        return _complete(run, recipe)
    if info["status"] == "KILLED" and info.get("ending") in ("pruned", "infeasible"):
        return TrialOutcome(info["ending"], run=run.id)
    return None


def _complete(run: RunFolder, recipe: Recipe) -> TrialOutcome:
    metrics, _ = run.final()
    needed = [target.metric for target in search_targets(recipe)]
    if missing := [metric for metric in needed if metric not in metrics]:
        return TrialOutcome("failed", run=run.id, error=f"it has no {' and no '.join(missing)}: see its warnings")
    values = tuple(metrics[metric] for metric in needed)
    if not all(map(math.isfinite, values)):
        return TrialOutcome("failed", run=run.id, error=f"its metrics are not finite: {values}")
    return TrialOutcome("complete", values, run.id)


def _is_too_large(recipe: Recipe, parts: Parts) -> bool:
    limit = settings_of(recipe).max_parameters
    return limit is not None and sum(parameter.numel() for parameter in parts.network.parameters()) > limit


def _infeasible(session: Session) -> TrialOutcome:
    session.tracker.tags({"infeasible": "too many parameters"})
    session.tracker.finish("KILLED")
    session.folder.update(status="KILLED", ending="infeasible")
    return TrialOutcome("infeasible", run=session.folder.id)


def _failed(run: RunFolder, tracker: Tracker, text: str) -> TrialOutcome:
    path = run.path / "traceback.txt"
    write_text(path, text)
    if run.exists():
        run.update(status="FAILED")
    tracker.artifact(path)
    tracker.finish("FAILED")
    return TrialOutcome("failed", run=run.id, error=text)
