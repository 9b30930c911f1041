"""What components answer while a recipe is checked; an answer that fails, or is none, is a finding at the component's `use`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import TYPE_CHECKING, Any

from workbench.errors import CombinationError, DataError, WorkbenchError
from workbench.interfaces import SampleSpec
from workbench.recipe.model import Recipe, Slot
from workbench.registry import Kind, plugin_call

if TYPE_CHECKING:
    pass

Finding = tuple[str, str]  # dotted key, message
METRIC = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")  # no slash: what has one in its name is measured by the engine


@contextmanager
def schedule_call(findings: list[Finding], kind: Kind, use: str, key: str, what: str) -> Iterator[None]:
    """While open, what the component `use` raises becomes a finding: at the field that it names, else at `key`."""
    try:
        with plugin_call(kind, use, what):
            yield
    except CombinationError as error:
        findings.append((str(error.key), str(error)))
    except WorkbenchError as error:
        findings.append((key, str(error)))


def describe_dataset(slot: Slot[Any]) -> tuple[SampleSpec | None, list[Finding]]:
    """The dataset's shape, or why it cannot be told."""
    try:
        with plugin_call("datasets", slot.use, "describe()"):
            spec = slot.component.describe()
    except DataError as error:
        return None, [("dataset.root" if getattr(slot.component, "root", None) else "dataset", str(error))]
    except CombinationError as error:
        return None, [(str(error.key), str(error))]
    except WorkbenchError as error:
        return None, [("dataset.use", str(error))]
    if isinstance(spec, SampleSpec):
        return spec, []
    return None, [("dataset.use", _no_answer(slot.use, "describe()", spec, "a SampleSpec"))]


def schedule_answers(recipe: Recipe) -> list[Finding]:
    """What is wrong with a schedule before anything is asked of it: hash, coefficients at both ends, inverse, table."""
    import torch

    use, schedule = recipe.schedule.use, recipe.schedule.component
    findings: list[Finding] = []

    def ask(what: str) -> Any:
        return schedule_call(findings, "schedules", use, "schedule.use", what)

    with ask("its hash, by which coefficients are kept,"):
        hash(schedule)
    if findings:
        return findings
    with ask("alpha_sigma()"):
        for t in (0.0, 1.0):
            alpha, sigma = schedule.at(t)
            if not (math.isfinite(alpha) and math.isfinite(sigma)) or (t == 1.0 and sigma <= 0.0):
                findings.append(
                    ("schedule.use", f"'{use}': (alpha, sigma) at t = {t:g} is ({alpha:g}, {sigma:g}) (wb plugins check {use})")
                )
                break
    with ask("time()"):
        float(schedule.time(torch.tensor(0.0, dtype=torch.float64)))
    with ask("grid()"):
        grid = schedule.grid()
        if grid is not None and not (isinstance(grid, Integral) and int(grid) > 0):
            findings.append(("schedule.use", _no_answer(use, "grid()", grid, "a number of steps or None")))
    return findings


def metric_names(recipe: Recipe) -> tuple[list[str], list[Finding]]:
    """What the recipe's extractors call their Fréchet distances."""
    names, findings = list[str](), list[Finding]()
    for slot in recipe.evaluate.features:
        with schedule_call(findings, "features", slot.use, "evaluate.features", 'metric("fd")'):
            name = slot.component.metric("fd")
            if isinstance(name, str) and METRIC.fullmatch(name):
                names.append(name)
            else:
                findings.append(
                    ("evaluate.features", f"'{slot.use}': metric(\"fd\") returned {name!r:.80}, which is no name of a metric")
                )
    return names, findings


def written(recipe: Recipe) -> list[Finding]:
    """Whether every component can be written into the recipe that a run keeps."""
    import tomli_w

    named: list[tuple[Kind, str, Slot[Any]]] = [
        ("datasets", "dataset", recipe.dataset),
        ("schedules", "schedule", recipe.schedule),
        ("denoisers", "denoiser", recipe.denoiser),
        ("samplers", "sampler", recipe.sampler),
        *(("features", "evaluate.features", slot) for slot in recipe.evaluate.features),
    ]
    if recipe.evaluate.sampler is not None:
        named.append(("samplers", "evaluate.sampler", recipe.evaluate.sampler))
    findings: list[Finding] = []
    for kind, key, slot in named:
        with schedule_call(findings, kind, slot.use, key if kind == "features" else f"{key}.use", "writing its fields"):
            tomli_w.dumps(slot.table())
    return findings


def _no_answer(use: str, what: str, answer: object, wanted: str) -> str:
    return f"'{use}': {what} returned {type(answer).__name__}, not {wanted} (wb plugins check {use})"
