"""Where bridged schedulers deviate from what our samplers have to do, and why. `wb_diffusers.report` and the tests hold these to be true."""

from __future__ import annotations

_SINGLE = {"reaches_a_point": "it computes in float32 whatever it is given"}
_EXPLODING = {
    "dtypes": "where alpha = 0 it starts at sigma / alpha = 4096, and its second look there multiplies rounding by as much",
}
_STARTUP = {"convergence_order": "its first move is of first order, and the error of that move, h^2, stays"}

_DEVIATIONS: dict[str, dict[str, str]] = {
    "EDMEulerScheduler": _SINGLE,
    "EulerAncestralDiscreteScheduler": _SINGLE,
    "FlowMatchEulerDiscreteScheduler": _SINGLE,
    "FlowMatchHeunDiscreteScheduler": _SINGLE,
    "HeunDiscreteScheduler": _EXPLODING,
    "IPNDMScheduler": _STARTUP,
    "KDPM2AncestralDiscreteScheduler": _EXPLODING,
    "KDPM2DiscreteScheduler": _EXPLODING,
    "LMSDiscreteScheduler": _STARTUP,
    "LTXEulerAncestralRFScheduler": _SINGLE,
    "PNDMScheduler": {
        "reaches_a_point": "it works with eps, from which the data differ by rounding times sigma / alpha",
        "convergence_order": "its first move averages two looks, which is of second order, and its weights are for equal steps",
        "dtypes": "where alpha = 0 it starts at sigma / alpha = 4096, which multiplies rounding in eps by as much",
    },
}


def deviations(scheduler: str) -> dict[str, str]:
    """Names of checks the scheduler does not pass, each with the reason."""
    return _DEVIATIONS.get(scheduler, {})
