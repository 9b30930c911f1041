"""The Optuna side: one study, whose trial numbers are the sweep's."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from workbench.recipe import Recipe, Sweep
from workbench.sweep.ledger import TrialOutcome
from workbench.sweep.objectives import SearchTarget
from workbench.sweep.space import SearchAxis, suggest_values
from workbench.sweep.trial_recipe import prune_every

STARTUP = 10  # random trials before a model of the space is worth anything; Optuna's default for TPE
OPEN = (TrialState.RUNNING, TrialState.WAITING)


class Search:
    """Proposes values and is told results. Nothing here is kept in memory: another process may go on at any time."""

    def __init__(
        self, url: str, name: str, recipe: Recipe, axes: Sequence[SearchAxis], aims: Sequence[SearchTarget], workers: int
    ) -> None:
        if recipe.sweep is None:
            raise ValueError("the recipe describes no sweep")
        self._recipe, self._settings, self._axes, self._aims, self._workers = recipe, recipe.sweep, axes, aims, workers
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # what it warns of at every trial is told once: `by_chance`
        logging.getLogger("alembic").setLevel(logging.WARNING)
        with _quiet():
            self._storage = optuna.storages.RDBStorage(url)
            self.study = optuna.create_study(
                storage=self._storage,
                study_name=name,
                directions=[each.direction for each in aims],
                pruner=self._pruner(),
                load_if_exists=True,
            )
        self.study.set_metric_names([each.metric for each in aims]) if len(aims) > 1 else None

    def close(self) -> None:
        """Let go of the database."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def next_trial(self) -> tuple[int, dict[str, Any]]:
        """A new trial: its number and the values chosen for it. Trial 0 has the recipe's own."""
        existing = len(self.study.get_trials(deepcopy=False))
        self.study.sampler = self._sampler(existing)
        with _quiet():
            if existing == 0:
                self.study.enqueue_trial(self._own())
            elif self._settings.sampler == "grid":
                self.study.enqueue_trial(self._grid()[existing])
            trial = self.study.ask()
            return trial.number, suggest_values(trial, self._axes, self._recipe.flat())

    def most(self) -> int | None:
        """How many trials there can be: as many as points on a grid."""
        return len(self._grid()) if self._settings.sampler == "grid" else None

    def by_chance(self) -> list[str]:
        """Keys whose values the sampler does not choose: cmaes and qmc know numbers only, and no conditions."""
        if self._settings.sampler not in ("cmaes", "qmc"):
            return []
        return [axis.key for axis in self._axes if axis.space.choices is not None or axis.space.when]

    def _own(self) -> dict[str, Any]:
        flat = self._recipe.flat()
        return {axis.key: axis.stored(flat[axis.key]) for axis in self._axes if axis.active(flat)}

    def _grid(self) -> list[dict[str, Any]]:
        """All points, the recipe's own first. Optuna's own grid sampler would come upon that one twice."""
        own = self._own()
        points = [
            dict(zip([axis.key for axis in self._axes], values, strict=True)) for values in product(*map(_points, self._axes))
        ]
        return [own, *(point for point in points if point != own)]

    def complete(self, number: int) -> dict[str, Any]:
        """The values of a trial that may have been interrupted while they were being chosen."""
        frozen = self._frozen(number)
        if frozen.state == TrialState.WAITING:
            self.study._storage.set_trial_state_values(frozen._trial_id, TrialState.RUNNING)
        self.study.sampler = self._sampler(number)
        with _quiet():
            return suggest_values(Trial(self.study, frozen._trial_id), self._axes, self._recipe.flat())

    def numbers(self) -> list[int]:
        """Of all trials there are."""
        return [trial.number for trial in self.study.get_trials(deepcopy=False)]

    def open_numbers(self) -> set[int]:
        """Of the trials whose result Optuna does not know."""
        return {trial.number for trial in self.study.get_trials(deepcopy=False, states=OPEN)}

    def report(self, number: int, step: int, value: float) -> bool:
        """An intermediate value; whether the trial should be ended for it."""
        trial = Trial(self.study, self._frozen(number)._trial_id)
        with _quiet():
            trial.report(value, step)
            return bool(trial.should_prune())  # some pruners answer in numpy

    def record_outcome(self, number: int, outcome: TrialOutcome) -> None:
        """How a trial ended; telling it twice changes nothing."""
        trial_id = self._frozen(number)._trial_id
        if number in self.open_numbers():
            if outcome.run:
                self.study._storage.set_trial_user_attr(trial_id, "run", outcome.run)
            if outcome.ending != "complete":
                self.study._storage.set_trial_user_attr(trial_id, "ending", outcome.ending)
        with _quiet():
            if outcome.ending == "complete":
                self.study.tell(number, list(outcome.values), skip_if_finished=True)
            else:
                # What may not be trained is no failure: the search learns to keep away from it.
                state = TrialState.FAIL if outcome.ending == "failed" else TrialState.PRUNED
                self.study.tell(number, state=state, skip_if_finished=True)

    def _frozen(self, number: int) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[number]

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        # A process that goes on with a sweep must not repeat the first one's random numbers: they depend on the trial.
        seed = (self._recipe.seed * 1_000_003 + number) % 2**32
        return _sampler(self._settings, seed, self._recipe.seed, self._axes, self._workers)

    def _pruner(self) -> optuna.pruners.BasePruner:
        kind = "none" if len(self._aims) > 1 else self._settings.pruner
        if kind == "median":
            return optuna.pruners.MedianPruner(n_startup_trials=5)
        if kind == "hyperband":
            first = max(1, prune_every(self._recipe))
            return optuna.pruners.HyperbandPruner(min_resource=first, max_resource=self._recipe.train.steps)
        return optuna.pruners.NopPruner()


def _sampler(
    settings: Sweep, seed: int, fixed_seed: int, axes: Sequence[SearchAxis], workers: int
) -> optuna.samplers.BaseSampler:
    samplers = optuna.samplers
    conditional = any(axis.space.when for axis in axes)
    with _quiet():
        if settings.sampler == "tpe":
            return samplers.TPESampler(
                seed=seed, n_startup_trials=STARTUP, multivariate=True, group=conditional, constant_liar=workers > 1
            )
        if settings.sampler == "gp":
            return samplers.GPSampler(seed=seed, n_startup_trials=STARTUP)
        if settings.sampler == "cmaes":
            return samplers.CmaEsSampler(seed=seed)
        if settings.sampler == "qmc":
            return samplers.QMCSampler(seed=fixed_seed, scramble=True)
        return samplers.RandomSampler(seed=seed)


def _points(axis: SearchAxis) -> list[Any]:
    if axis.space.choices is not None:
        return [axis.stored(each) for each in axis.space.choices]
    low, high, step = axis.space.low or 0, axis.space.high or 0, axis.space.step or 1
    return [low + k * step for k in range(round((high - low) / step) + 1)]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's remarks on what is experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module="optuna")
        yield
