"""All checks of a recipe whose tables are valid: do its parts work together?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from workbench.interfaces import SampleSpec
from workbench.recipe.dataset_checks import check_batches, check_classes, check_denoiser, denoiser_warnings
from workbench.recipe.findings import Finding, component_call
from workbench.recipe.model import Recipe, Slot
from workbench.recipe.sampler_checks import check_sampler, inheritance_warnings
from workbench.recipe.schedule_checks import (
    check_parameterization,
    check_schedule,
    check_training_times,
    input_scale_warnings,
    terminal_snr_warnings,
)
from workbench.registry import Kind

METRIC = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")  # no slash: names with one belong to the metrics of training


def check(recipe: Recipe, spec: SampleSpec | None) -> list[Finding]:
    """Conflicts between the parts of a recipe; `spec` is None if the dataset could not describe its data."""
    findings = [*_check_writing(recipe), *_check_features(recipe)]
    if spec is not None:
        findings += [*check_classes(recipe, spec), *check_batches(recipe, spec), *check_denoiser(recipe, spec)]
    if faults := check_schedule(recipe):  # checks of time grids and parameterizations call the schedule
        return [*findings, *faults]
    findings += [*check_parameterization(recipe), *check_training_times(recipe), *check_sampler(recipe.sampler, recipe)]
    if recipe.evaluate.sampler is not None:
        findings += check_sampler(recipe.evaluate.sampler, recipe, "evaluate.sampler")
    return findings


def warnings(recipe: Recipe) -> list[str]:
    """Settings that are allowed and rarely intended."""
    return [
        *terminal_snr_warnings(recipe),
        *input_scale_warnings(recipe),
        *inheritance_warnings(recipe),
        *denoiser_warnings(recipe),
    ]


def _check_writing(recipe: Recipe) -> list[Finding]:
    """Every component must be writable into the recipe that a run stores."""
    import tomli_w

    slots: list[tuple[Kind, str, Slot[Any]]] = [
        ("datasets", "dataset.use", recipe.dataset),
        ("schedules", "schedule.use", recipe.schedule),
        ("denoisers", "denoiser.use", recipe.denoiser),
        ("samplers", "sampler.use", recipe.sampler),
        *(("features", "evaluate.features", slot) for slot in recipe.evaluate.features),
    ]
    if recipe.evaluate.sampler is not None:
        slots.append(("samplers", "evaluate.sampler.use", recipe.evaluate.sampler))
    findings: list[Finding] = []
    for kind, key, slot in slots:
        with component_call(findings, kind, slot.use, key, "writing its fields"):
            tomli_w.dumps(slot.table())
    return findings


def _check_features(recipe: Recipe) -> Iterator[Finding]:
    """The metrics of extractors need names, each a different one."""
    names, findings = list[str](), list[Finding]()
    for slot in recipe.evaluate.features:
        with component_call(findings, "features", slot.use, "evaluate.features", 'metric("fd")'):
            name = slot.component.metric("fd")
            if isinstance(name, str) and METRIC.fullmatch(name):
                names.append(name)
            else:
                message = f"'{slot.use}': metric(\"fd\") returned {name!r:.80}, which is not a name of a metric"
                findings.append(("evaluate.features", message))
    yield from findings
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield "evaluate.features", f"two extractors have the same metric name '{name}'"
