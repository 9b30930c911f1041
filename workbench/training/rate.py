"""The learning rate as a pure function of the step."""

from __future__ import annotations

import math

from workbench.recipe import Train


def learning_rate(settings: Train, step: int) -> float:
    """The learning rate of the step with index `step` (0 is the first): linear warm-up, then constant or half a cosine down to 0."""
    if step < settings.warmup:
        return settings.learning_rate * (step + 1) / settings.warmup
    if settings.decay == "constant":
        return settings.learning_rate
    share = (step - settings.warmup) / max(settings.steps - settings.warmup, 1)
    return settings.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))
