"""Checks of a sampler and its time grid on the recipe's schedule."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.errors import CombinationError, WorkbenchError
from workbench.interfaces import NoiseSchedule
from workbench.recipe.findings import Finding
from workbench.recipe.model import INHERITED, Recipe, SamplerSlot, Slot
from workbench.recipe.time_grid import time_grid_of
from workbench.registry import plugin_call

# Fields of a time grid and the spacings that read them.
ONLY_FOR: dict[str, tuple[str, ...]] = {
    "times": ("explicit",),
    "rho": ("karras",),
    "sigma_min": ("karras", "logsnr"),
    "sigma_max": ("karras", "logsnr"),
}


def check_sampler(slot: SamplerSlot, recipe: Recipe, key: str = "sampler") -> list[Finding]:
    """Conflicts of a sampler with the rest of a recipe; `key` is its table."""
    findings = list(_check_time_grid(key, slot, recipe.schedule))
    is_inherited = key == "evaluate.sampler" and slot.guidance == recipe.sampler.guidance  # reported for [sampler]
    if slot.guidance != 1.0 and not recipe.train.condition and not is_inherited:
        message = "guidance needs a network that was given labels: set train.condition = true, or guidance = 1"
        findings.append((f"{key}.guidance", message))
    return findings


def inheritance_warnings(recipe: Recipe) -> Iterator[str]:
    """Distances should be measured on images like those that the sampler draws."""
    own, evaluated = recipe.sampler.table(), recipe.evaluation_sampler.table()
    for name in INHERITED:
        if own[name] != evaluated[name]:
            yield (
                f"evaluate.sampler.{name} is {evaluated[name]!r:.8} and sampler.{name} is {own[name]!r:.8}: distances are measured on other "
                f"images than the sampler draws. Leave out evaluate.sampler.{name} to measure those."
            )


def _check_time_grid(key: str, slot: SamplerSlot, schedule: Slot[NoiseSchedule]) -> Iterator[Finding]:
    for field, spacings in ONLY_FOR.items():
        if getattr(slot, field) is not None and slot.spacing not in spacings:
            yield f"{key}.{field}", f"belongs to spacing = {' or '.join(map(repr, spacings))}, and this is {slot.spacing!r}"
    if slot.spacing == "explicit" and slot.times is None:
        yield f"{key}.times", "spacing = 'explicit' needs them, for example times = [1.0, 0.7, 0.4, 0.1, 0.0]"
        return
    # Checked before churn and restarts are applied, which depend on the levels between noise and data.
    if slot.spacing == "explicit" and slot.times and (slot.times[0], slot.times[-1]) != (1.0, 0.0):
        message = f"must lead from noise (1.0) to data (0.0), and lead from {slot.times[0]:g} to {slot.times[-1]:g}"
        yield f"{key}.times", message
        return
    try:
        with plugin_call("schedules", schedule.use, f"finding the times of spacing = '{slot.spacing}'"):
            time_grid_of(slot, schedule.component)
    except CombinationError as error:
        yield f"{key}.{error.key}", str(error)
    except WorkbenchError as error:
        yield "schedule.use", str(error)
