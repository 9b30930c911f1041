"""Copies of components with a classic mistake in each, for the kit to catch; one file for each interface."""

from __future__ import annotations

from typing import Any

from kit_mistakes import datasets, denoisers, features, launchers, samplers, schedules

CAUGHT_BY: dict[type[Any], str] = {
    **samplers.CAUGHT_BY,
    **schedules.CAUGHT_BY,
    **denoisers.CAUGHT_BY,
    **datasets.CAUGHT_BY,
    **features.CAUGHT_BY,
    **launchers.CAUGHT_BY,
}
# The same without a mistake, where the copies are not of something that is tested elsewhere.
SOUND: list[type[Any]] = [denoisers.Sound, datasets.Sound, features.Sound, launchers.Sound]
