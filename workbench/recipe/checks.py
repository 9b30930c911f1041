"""Whether the parts of a recipe work together; found out before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Iterator

from workbench.errors import CombinationError, WorkbenchError
from workbench.interfaces import NoiseSchedule, SampleSpec
from workbench.recipe.answers import (
    Finding,
    describe_dataset,
    metric_names,
    schedule_answers,
    schedule_call,
    written,
)
from workbench.recipe.model import INHERITED, Recipe, SamplerSlot, Slot
from workbench.recipe.time_grid import time_grid_of
from workbench.registry import plugin_call

ONLY_FOR: dict[str, tuple[str, ...]] = {
    "times": ("explicit",),
    "rho": ("karras",),
    "sigma_min": ("karras", "logsnr"),
    "sigma_max": ("karras", "logsnr"),
}
MAX_TERMINAL_SNR = 1e-3
MENDS = {
    "scale_to_steps": "schedule.scale_to_steps = true",
    "zero_terminal_snr": "schedule.zero_terminal_snr = true",
    "steps": "more schedule.steps",
    "sigma_max": "a larger schedule.sigma_max",
}
LARGEST_BATCH = 16 * 2**30  # bytes of the images alone, of which a network makes hundreds of times as many
LARGEST_INPUT = 5.0  # standard deviation of x_t beyond which networks learn badly


def check(recipe: Recipe, spec: SampleSpec | None) -> list[Finding]:
    """What keeps the parts of a recipe from working together; `spec` is None where the dataset could not say its shape."""
    findings = [*written(recipe), *_features(recipe), *_classes(recipe, spec), *_batch(recipe, spec), *_network(recipe, spec)]
    broken = schedule_answers(recipe)
    if broken:  # nothing more can be said about a path or a parameterization on it
        return [*findings, *broken]
    return [
        *findings,
        *_parameterization(recipe),
        *_times(recipe),
        *_sampler("sampler", recipe.sampler, recipe),
        *_sampler("evaluate.sampler", recipe.evaluate.sampler, recipe),
    ]


def check_sampler(slot: SamplerSlot, recipe: Recipe) -> list[Finding]:
    """What keeps another sampler than the recipe's own from working with the rest of a recipe."""
    return list(_sampler("sampler", slot, recipe))


def warnings(recipe: Recipe) -> list[str]:
    """What is allowed and rarely meant."""
    return [*_terminal_snr(recipe), *_input_scale(recipe), *_measured_otherwise(recipe), *_of_the_network(recipe)]


def _terminal_snr(recipe: Recipe) -> Iterator[str]:
    alpha, sigma = recipe.schedule.component.at(1.0)
    ratio = alpha / sigma
    snr = ratio * ratio  # infinite where a power would overflow
    if snr <= MAX_TERMINAL_SNR:
        return
    fields = type(recipe.schedule.component).model_fields
    mends = [words for field, words in MENDS.items() if field in fields]
    yield (
        f"schedule: the signal-to-noise ratio at t = 1 is {snr:.2g}, so that x_T keeps {alpha / math.hypot(alpha, sigma):.1%} of the image, and "
        f"sampling starts from pure noise, which the network never saw. More noise would mend it: {' or '.join(mends) or 'another schedule'}."
    )


def _input_scale(recipe: Recipe) -> Iterator[str]:
    alpha, sigma = recipe.schedule.component.at(1.0)
    if math.hypot(alpha, sigma) > LARGEST_INPUT and recipe.parameterization != "edm":
        yield (
            f"parameterization: with schedule '{recipe.schedule.use}' the network sees inputs of up to {sigma:.3g}, and under "
            f"'{recipe.parameterization}' they are not scaled. Use parameterization = 'edm', which scales them to unit variance."
        )


def _measured_otherwise(recipe: Recipe) -> Iterator[str]:
    own, measured = recipe.sampler.table(), recipe.evaluation_sampler.table()
    for name in INHERITED:
        if own[name] != measured[name]:
            yield (
                f"evaluate.sampler.{name} is {measured[name]!r:.8} and sampler.{name} is {own[name]!r:.8}: distances are measured on other "
                f"images than the sampler draws. Leave out evaluate.sampler.{name} to measure those."
            )


def _of_the_network(recipe: Recipe) -> Iterator[str]:
    spec, _ = describe_dataset(recipe.dataset)
    if spec is not None:
        with plugin_call("denoisers", recipe.denoiser.use, f"warnings() for images {list(spec.shape)}"):
            yield from (f"denoiser: {sentence}" for sentence in recipe.denoiser.component.warnings(spec))


def _parameterization(recipe: Recipe) -> Iterator[Finding]:
    from workbench.diffusion import PARAMETERIZATIONS, check_combination

    try:
        check_combination(PARAMETERIZATIONS[recipe.parameterization], recipe.schedule.component, recipe.schedule.use)
    except CombinationError as error:
        yield error.key, str(error)


def _times(recipe: Recipe) -> Iterator[Finding]:
    if recipe.objective.times == "grid" and recipe.schedule.component.grid() is None:
        yield (
            "objective.times",
            f"'grid' needs a schedule with a number of steps, and time is continuous in '{recipe.schedule.use}'. Use 'uniform' or 'auto'.",
        )


def _sampler(key: str, slot: SamplerSlot | None, recipe: Recipe) -> Iterator[Finding]:
    if slot is None:
        return
    yield from _path(key, slot, recipe.schedule)
    inherited = key == "evaluate.sampler" and slot.guidance == recipe.sampler.guidance  # reported for [sampler]
    if slot.guidance != 1.0 and not recipe.train.condition and not inherited:
        yield f"{key}.guidance", "guidance needs a network that was given labels: set train.condition = true, or guidance = 1"


def _path(key: str, slot: SamplerSlot, schedule: Slot[NoiseSchedule]) -> Iterator[Finding]:
    for field, spacings in ONLY_FOR.items():
        if getattr(slot, field) is not None and slot.spacing not in spacings:
            yield f"{key}.{field}", f"belongs to spacing = {' or '.join(map(repr, spacings))}, and this is {slot.spacing!r}"
    if slot.spacing == "explicit" and slot.times is None:
        yield f"{key}.times", "spacing = 'explicit' needs them, for example times = [1.0, 0.7, 0.4, 0.1, 0.0]"
        return
    # Before churn and restarts: they go by what is between noise and data.
    if slot.spacing == "explicit" and slot.times and (slot.times[0], slot.times[-1]) != (1.0, 0.0):
        yield (
            f"{key}.times",
            f"must lead from noise (1.0) to data (0.0), and lead from {slot.times[0]:g} to {slot.times[-1]:g}",
        )
        return
    try:
        with plugin_call("schedules", schedule.use, f"finding the times of spacing = '{slot.spacing}'"):
            time_grid_of(slot, schedule.component)
    except CombinationError as error:
        yield f"{key}.{error.key}", str(error)
    except WorkbenchError as error:
        yield "schedule.use", str(error)


def _features(recipe: Recipe) -> Iterator[Finding]:
    names, findings = metric_names(recipe)
    yield from findings
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield "evaluate.features", f"two extractors would both be called '{name}'"


def _classes(recipe: Recipe, spec: SampleSpec | None) -> Iterator[Finding]:
    if not recipe.train.condition or spec is None or len(spec.classes) > 1:
        return
    which = f"one class only ('{spec.classes[0]}')" if spec.classes else "no classes"
    why = f" ({spec.why_no_classes})" if spec.why_no_classes else ""
    yield (
        "train.condition",
        f"dataset '{recipe.dataset.use}' has {which}{why}, so there is nothing to tell apart: set train.condition = false",
    )


def _batch(recipe: Recipe, spec: SampleSpec | None) -> Iterator[Finding]:
    if spec is None:
        return
    image = 4 * math.prod(spec.shape)
    for key, size in (("train.batch_size", recipe.train.batch_size), ("evaluate.batch_size", recipe.evaluate.batch_size or 1)):
        if size * image > LARGEST_BATCH:
            yield (
                key,
                f"{size:,} images of {spec.height} x {spec.width} are {size * image / 2**30:,.0f} GiB: use at most {LARGEST_BATCH // image:,}",
            )


def _network(recipe: Recipe, spec: SampleSpec | None) -> list[Finding]:
    findings: list[Finding] = []
    if spec is not None:
        with schedule_call(findings, "denoisers", recipe.denoiser.use, "denoiser.use", f"check() for images {list(spec.shape)}"):
            recipe.denoiser.component.check(recipe.network_spec(spec))
    return findings
