"""[sweep]: a search over recipes."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from workbench.recipe.section import Section

Value = str | int | float | bool
Choice = Value | tuple[Value, ...]
MAX_KEYS, MAX_CHOICES = 100, 1000  # each end and each choice is checked before the first trial


class Space(Section):
    """One entry of [sweep.space]: a range, or choices, for one key of the recipe."""

    low: int | float | None = Field(None, description="lower end; a range with whole ends and a whole step has whole values")
    high: int | float | None = Field(None, description="upper end")
    step: int | float | None = Field(None, gt=0, description="distance between values")
    log: bool = Field(False, description="search the logarithm")
    choices: tuple[Choice, ...] | None = Field(
        None, min_length=1, max_length=MAX_CHOICES, description="values to choose from: words, numbers, lists"
    )
    when: dict[str, Choice] | None = Field(
        None, description="varied only if these keys have these values, or one of a list of values"
    )

    @property
    def whole(self) -> bool:
        """True for a range of whole numbers."""
        return all(isinstance(number, int) for number in (self.low, self.high, 1 if self.step is None else self.step))

    @model_validator(mode="after")
    def _range_or_choices(self) -> Space:
        ends = (self.low, self.high)
        if self.choices is not None and (any(end is not None for end in ends) or self.step is not None or self.log):
            raise ValueError("give either choices, or low and high")
        if self.choices is not None and len({repr(choice) for choice in self.choices}) < len(self.choices):
            raise ValueError("duplicate choice")
        if self.choices is None:
            if self.low is None or self.high is None:
                raise ValueError("give choices, or low and high")
            if not self.low < self.high:
                raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
            if self.log and self.low <= 0.0:
                raise ValueError(f"log needs a low end above 0, got {self.low:g}")
            if self.step is not None:
                self._check_step(self.low, self.high, self.step)
        return self

    def _check_step(self, low: float, high: float, step: float) -> None:
        if self.log:
            raise ValueError("step and log exclude one another")
        steps = (high - low) / step
        if not math.isfinite(steps) or not math.isclose(steps, round(steps), rel_tol=1e-9):
            raise ValueError(f"from {low:g} to {high:g} there is not a whole number of steps of {step:g}")


class Sweep(Section):
    """[sweep]: the metric, the space and the limits of a search over recipes."""

    metric: str = Field(
        "kid", min_length=1, max_length=200, description="metric to optimize; `kid` and `fd` mean those of the recipe's extractor"
    )
    metrics: tuple[str, ...] | None = Field(
        None, min_length=2, max_length=4, description="several metrics instead: search the Pareto front, without pruning"
    )
    trials: int = Field(50, ge=1, le=1_000_000, description="trials in total; the first is the unchanged recipe")
    sampler: Literal["tpe", "gp", "cmaes", "random", "grid", "qmc"] = Field("tpe", description="algorithm that proposes trials")
    pruner: Literal["median", "hyperband", "none"] = Field("median", description="algorithm that ends trials early")
    prune_by: Literal["auto", "metric", "loss"] = Field(
        "auto",
        description="value that pruning compares: the metric at `evaluate.every`, or the validation loss; auto: the metric if it is measured",
    )
    max_failures: int = Field(10, ge=0, le=1_000_000, description="failed trials after which the sweep stops")
    max_parameters: int | None = Field(None, ge=1, le=10**12, description="skip larger networks")
    max_minutes: float | None = Field(None, gt=0.0, le=10_000_000.0, description="time limit for the training of a trial")
    confirm: int = Field(3, ge=0, le=20, description="number of best trials to measure again at the end; 0: none")
    confirm_seeds: int = Field(5, ge=2, le=100, description="draws of each, with different noise")
    confirm_samples: int | None = Field(
        None, ge=2, le=1_000_000, description="images in each of these draws; absent: `evaluate.samples`"
    )
    space: dict[str, Space] = Field(default_factory=dict, max_length=MAX_KEYS, description="ranges and choices by dotted key")

    @property
    def objectives(self) -> tuple[str, ...]:
        """The names of the metrics in the recipe."""
        return self.metrics or (self.metric,)
