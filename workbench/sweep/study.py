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
    """Proposes values and receives results. Nothing is kept in memory: another process may continue at any time."""

    def __init__(
        self, url: str, name: str, recipe: Recipe, axes: Sequence[SearchAxis], targets: Sequence[SearchTarget], workers: int
    ) -> None:
        if recipe.sweep is None:
            raise ValueError("the recipe has no [sweep]")
        self._recipe = recipe
        self._settings = recipe.sweep
        self._axes = axes
        self._targets = targets
        self._workers = workers
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # it warns at every trial; `random_keys` reports the same once
        logging.getLogger("alembic").setLevel(logging.WARNING)
        with _warnings_ignored():
            self._storage = optuna.storages.RDBStorage(url)
            self.study = optuna.create_study(
                storage=self._storage,
                study_name=name,
                directions=[target.direction for target in targets],
                pruner=self._pruner(),
                load_if_exists=True,
            )
        if len(targets) > 1:
            self.study.set_metric_names([target.metric for target in targets])

    def close(self) -> None:
        """Close the database."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def next_trial(self) -> tuple[int, dict[str, Any]]:
        """A new trial: its number and the values chosen for it. Trial 0 has the recipe's own."""
        existing = len(self.study.get_trials(deepcopy=False))
        self.study.sampler = self._sampler(existing)
        with _warnings_ignored():
            if existing == 0:
                self.study.enqueue_trial(self._recipe_values())
            elif self._settings.sampler == "grid":
                self.study.enqueue_trial(self._grid()[existing])
            trial = self.study.ask()
            return trial.number, suggest_values(trial, self._axes, self._recipe.flat())

    def max_trials(self) -> int | None:
        """The largest number of trials: the points of a grid, else None."""
        return len(self._grid()) if self._settings.sampler == "grid" else None

    def random_keys(self) -> list[str]:
        """Keys whose values are random: cmaes and qmc choose numbers only, without conditions."""
        if self._settings.sampler not in ("cmaes", "qmc"):
            return []
        return [axis.key for axis in self._axes if axis.space.choices is not None or axis.space.when]

    def _recipe_values(self) -> dict[str, Any]:
        flat = self._recipe.flat()
        return {axis.key: axis.stored(flat[axis.key]) for axis in self._axes if axis.is_active(flat)}

    def _grid(self) -> list[dict[str, Any]]:
        """All points, the recipe's own first. Optuna's grid sampler would try that one twice."""
        own = self._recipe_values()
        points = [
            dict(zip([axis.key for axis in self._axes], values, strict=True)) for values in product(*map(_points, self._axes))
        ]
        return [own, *(point for point in points if point != own)]

    def complete_values(self, number: int) -> dict[str, Any]:
        """The values of a trial, which are chosen now if that was interrupted."""
        frozen = self._frozen(number)
        if frozen.state == TrialState.WAITING:
            self.study._storage.set_trial_state_values(frozen._trial_id, TrialState.RUNNING)
        self.study.sampler = self._sampler(number)
        with _warnings_ignored():
            return suggest_values(Trial(self.study, frozen._trial_id), self._axes, self._recipe.flat())

    def numbers(self) -> list[int]:
        """The numbers of all trials."""
        return [trial.number for trial in self.study.get_trials(deepcopy=False)]

    def open_numbers(self) -> set[int]:
        """The numbers of the trials without a result."""
        return {trial.number for trial in self.study.get_trials(deepcopy=False, states=OPEN)}

    def report(self, number: int, step: int, value: float) -> bool:
        """Record an intermediate value; True if the trial should be pruned."""
        trial = Trial(self.study, self._frozen(number)._trial_id)
        with _warnings_ignored():
            trial.report(value, step)
            return bool(trial.should_prune())  # some pruners return a numpy bool

    def record_outcome(self, number: int, outcome: TrialOutcome) -> None:
        """Record the outcome of a trial; a second call changes nothing."""
        trial_id = self._frozen(number)._trial_id
        if number in self.open_numbers():
            if outcome.run:
                self.study._storage.set_trial_user_attr(trial_id, "run", outcome.run)
            if outcome.ending != "complete":
                self.study._storage.set_trial_user_attr(trial_id, "ending", outcome.ending)
        with _warnings_ignored():
            if outcome.ending == "complete":
                self.study.tell(number, list(outcome.values), skip_if_finished=True)
            else:
                # An infeasible trial is not a failure: the search learns to avoid its values.
                state = TrialState.FAIL if outcome.ending == "failed" else TrialState.PRUNED
                self.study.tell(number, state=state, skip_if_finished=True)

    def _frozen(self, number: int) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[number]

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        # A resumed sweep must not repeat random numbers: they depend on the trial.
        seed = (self._recipe.seed * 1_000_003 + number) % 2**32
        return _sampler(self._settings, seed, self._recipe.seed, self._axes, self._workers)

    def _pruner(self) -> optuna.pruners.BasePruner:
        kind = "none" if len(self._targets) > 1 else self._settings.pruner
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
    with _warnings_ignored():
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
        return [axis.stored(choice) for choice in axis.space.choices]
    low, high, step = axis.space.low or 0, axis.space.high or 0, axis.space.step or 1
    return [low + k * step for k in range(round((high - low) / step) + 1)]


@contextmanager
def _warnings_ignored() -> Iterator[None]:
    """Ignore Optuna's warnings of experimental functions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module="optuna")
        yield
