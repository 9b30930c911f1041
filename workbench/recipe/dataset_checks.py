"""Checks of a recipe against the shape and the classes of its data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from workbench.errors import CombinationError, DataError, WorkbenchError
from workbench.interfaces import SampleSpec
from workbench.recipe.findings import Finding, component_call, wrong_type
from workbench.recipe.model import Recipe, Slot
from workbench.registry import plugin_call

MAX_BATCH_BYTES = 16 * 2**30  # of the images alone; a network needs hundreds of times as many


def describe_dataset(slot: Slot[Any]) -> tuple[SampleSpec | None, list[Finding]]:
    """The description of the data, or the reason why there is none."""
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
    return None, [("dataset.use", wrong_type(slot.use, "describe()", spec, "a SampleSpec"))]


def check_classes(recipe: Recipe, spec: SampleSpec) -> Iterator[Finding]:
    """Labels need at least two classes."""
    if not recipe.train.condition or len(spec.classes) > 1:
        return
    classes = f"one class only ('{spec.classes[0]}')" if spec.classes else "no classes"
    reason = f" ({spec.why_no_classes})" if spec.why_no_classes else ""
    yield (
        "train.condition",
        f"dataset '{recipe.dataset.use}' has {classes}{reason}, so there is nothing to condition on: set train.condition = false",
    )


def check_batches(recipe: Recipe, spec: SampleSpec) -> Iterator[Finding]:
    """A batch must fit into memory."""
    image = 4 * math.prod(spec.shape)
    for key, size in (("train.batch_size", recipe.train.batch_size), ("evaluate.batch_size", recipe.evaluate.batch_size or 1)):
        if size * image > MAX_BATCH_BYTES:
            yield (
                key,
                f"{size:,} images of {spec.height} x {spec.width} are {size * image / 2**30:,.0f} GiB: use at most {MAX_BATCH_BYTES // image:,}",
            )


def check_denoiser(recipe: Recipe, spec: SampleSpec) -> list[Finding]:
    """The denoiser's own check for such images."""
    findings: list[Finding] = []
    with component_call(findings, "denoisers", recipe.denoiser.use, "denoiser.use", f"check() for images {list(spec.shape)}"):
        recipe.denoiser.component.check(recipe.network_spec(spec))
    return findings


def denoiser_warnings(recipe: Recipe) -> Iterator[str]:
    """The denoiser's own warnings for the images of the recipe."""
    spec, _ = describe_dataset(recipe.dataset)
    if spec is not None:
        with plugin_call("denoisers", recipe.denoiser.use, f"warnings() for images {list(spec.shape)}"):
            yield from (f"denoiser: {sentence}" for sentence in recipe.denoiser.component.warnings(spec))
