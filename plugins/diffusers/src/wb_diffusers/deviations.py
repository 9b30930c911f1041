"""Where bridged schedulers deviate from what our samplers have to do, and why. `wb_diffusers.report` and the tests hold these to be true."""

from __future__ import annotations

_SINGLE = "it computes in float32 whatever it is given"
_STARTUP = "its first moves are of lower order, and their error stays"

_DEVIATIONS: dict[str, dict[str, str]] = {}


def deviations(scheduler: str) -> dict[str, str]:
    """Names of checks the scheduler does not pass, each with the reason."""
    return _DEVIATIONS.get(scheduler, {})
