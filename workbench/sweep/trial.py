"""One trial: the run that its recipe describes, in a run folder of its own."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol

import torch

from workbench.evaluation import prepare_references
from workbench.files import exclusive_lock, write_text
from workbench.home import cache_folder
from workbench.interfaces import NullTracker, Tracker
from workbench.model import Parts, assemble
from workbench.progress import Progress, Stop, Stopped
from workbench.recipe import Recipe, save
from workbench.runs import RunFolder, open_folder, record_data, record_run, reevaluate
from workbench.sweep.folder import SweepFolder
from workbench.sweep.ledger import TrialOutcome
from workbench.sweep.objectives import search_targets
from workbench.sweep.trial_recipe import prune_metric, recipe_of, settings_of
from workbench.sweep.wire import Task
from workbench.training import latest_checkpoint, train

LOCK_SECONDS = 120.0  # for a worker without a coordinator to write its last checkpoint
SENDING_SECONDS = 2.0


class Record(Protocol):
    """Where a trial is recorded, and what sends it there."""

    tracker: Tracker

    def close(self, seconds: float) -> int:
        """Send what is left for `seconds` at most; how many records stay in the run's folder."""
        ...


class Hooks:
    """What a trial tells whoever runs it, and asks."""

    def __init__(
        self,
        open_record: Callable[[RunFolder, Parts], Record],
        progress: Callable[[Progress], None] = lambda _: None,
        report: Callable[[int, float], bool] = lambda step, value: False,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.open_record, self.progress, self.report, self.warn = open_record, progress, report, warn


def run_trial(task: Task, folder: SweepFolder, device: torch.device, hooks: Hooks, stop: Stop) -> TrialOutcome | None:
    """Do a trial, or go on with it, to its end; None where `stop` was requested before.

    Whatever goes wrong in it is its outcome: "failed", with the traceback as text and as an artifact.
    """
    started = time.perf_counter()
    run = RunFolder(folder.home / "runs" / task.run)
    run.path.mkdir(parents=True, exist_ok=True)
    with run.writing(LOCK_SECONDS), ExitStack() as stack:
        tracker: Tracker = NullTracker()
        try:
            recipe = recipe_of(folder, task.overrides)
            known = _ended(run, recipe)
            if known is not None:
                return known
            open_folder(run, recipe.name)
            save(recipe.model_copy(update={"sweep": None}), run.recipe)
            cache = cache_folder(folder.home)
            with exclusive_lock(
                cache / "preparing.lock"
            ):  # decoded images, features and measured choices are made once for all workers
                parts = assemble(recipe, device, cache)
                for line in record_data(run, parts):
                    hooks.warn(line)
                prepare_references(recipe, parts.train, cache, device, stop)
            if _too_large(parts):
                return _infeasible(run, parts, hooks)
            record = hooks.open_record(run, parts)
            # What the store does not take at once is sent when the sweep ends: the next trial does not wait for it.
            stack.callback(record.close, SENDING_SECONDS)
            tracker = record.tracker
            ending = _run(task, folder, run, parts, tracker, hooks, stop)
        except Stopped:
            run.update(status="KILLED")
            return None
        except Exception:  # whichever component is at fault, the other trials go on
            text = traceback.format_exc()
            _keep_traceback(run, tracker, text)
            return TrialOutcome("failed", run=run.id, seconds=time.perf_counter() - started, error=text)
        seconds = time.perf_counter() - started
        if ending == "finished":
            return _complete(run, recipe, seconds)
        return TrialOutcome("pruned", run=run.id, seconds=seconds) if ending == "pruned" else None


def _run(task: Task, folder: SweepFolder, run: RunFolder, parts: Parts, tracker: Tracker, hooks: Hooks, stop: Stop) -> str:
    """Train and evaluate, or evaluate only; "finished", "pruned" or "killed"."""
    watched = prune_metric(parts.recipe)
    ended = Stop(within=stop)
    pruned = False
    if task.trained_by and task.trained_by != run.id:
        stream = reevaluate(parts, RunFolder(folder.home / "runs" / task.trained_by), ended)
        watched = None
    else:
        resume = latest_checkpoint(run.checkpoints, hooks.warn)
        stream = train(parts, run.checkpoints, resume=resume, stop=ended, run=run.id, recorded=run.recorded)
    phase = "killed"
    for moment in record_run(stream, run, tracker, hooks.warn):
        hooks.progress(moment)
        phase = moment.phase
        value = moment.metrics.get(watched or "")
        if value is None or pruned or not 0 < moment.step < parts.recipe.train.steps:
            continue
        if hooks.report(moment.step, value):
            pruned = True
            run.update(ending="pruned")
            tracker.tags({"pruned": "true"})
            ended.request()
    return "pruned" if phase == "killed" and pruned else phase


def _ended(run: RunFolder, recipe: Recipe) -> TrialOutcome | None:
    """The outcome of a trial that a worker brought to its end without being able to tell."""
    if not (run.path / "run.json").is_file():
        return None
    info = run.info()
    if info["status"] == "FINISHED":
        return _complete(run, recipe, 0.0)
    if info["status"] == "KILLED" and info.get("ending") in ("pruned", "infeasible"):
        return TrialOutcome(info["ending"], run=run.id)
    return None


def _complete(run: RunFolder, recipe: Recipe, seconds: float) -> TrialOutcome:
    metrics, _ = run.final()
    wanted = [each.metric for each in search_targets(recipe)]
    if missing := [metric for metric in wanted if metric not in metrics]:
        return TrialOutcome(
            "failed", run=run.id, seconds=seconds, error=f"it has no {' and no '.join(missing)}: see its warnings"
        )
    values = tuple(metrics[metric] for metric in wanted)
    if not all(map(math.isfinite, values)):
        return TrialOutcome("failed", run=run.id, seconds=seconds, error=f"its metrics are not finite: {values}")
    return TrialOutcome("complete", values, run.id, seconds)


def _too_large(parts: Parts) -> bool:
    limit = settings_of(parts.recipe).max_parameters
    return limit is not None and sum(each.numel() for each in parts.network.parameters()) > limit


def _infeasible(run: RunFolder, parts: Parts, hooks: Hooks) -> TrialOutcome:
    record = hooks.open_record(run, parts)
    record.tracker.tags({"infeasible": "too many parameters"})
    record.tracker.finish("KILLED")
    record.close(SENDING_SECONDS)
    run.update(status="KILLED", ending="infeasible")
    return TrialOutcome("infeasible", run=run.id)


def _keep_traceback(run: RunFolder, tracker: Tracker, text: str) -> None:
    path = run.path / "traceback.txt"
    write_text(path, text)
    if (run.path / "run.json").is_file():
        run.update(status="FAILED")
    tracker.artifact(path)
    tracker.finish("FAILED")
