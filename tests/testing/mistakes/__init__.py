"""Components with one classic mistake each, which the kit must catch; one file for each interface."""

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
# The same without a mistake, unless the correct component is tested elsewhere.
SOUND: list[type[Any]] = [denoisers.Sound, datasets.Sound, features.Sound, launchers.Sound]
