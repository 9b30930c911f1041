"""The checks that bridged schedulers do not pass, with the reasons; `wb_diffusers.report` and the tests verify them."""

from __future__ import annotations

_SINGLE = {"reaches_a_point": "it always computes in float32"}
_EXPLODING = {
    "dtypes": "at alpha = 0 it starts at sigma / alpha = 4096, and its second evaluation there multiplies rounding errors by as much",
}
_STARTUP = {"convergence_order": "its first move is of first order, and the error of that move, h^2, remains"}

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
        "reaches_a_point": "it computes with eps; the error of the data is the rounding error times sigma / alpha",
        "convergence_order": "its first move averages two evaluations, which is of second order, and its weights are for equal steps",
        "dtypes": "at alpha = 0 it starts at sigma / alpha = 4096, which multiplies rounding errors in eps by as much",
    },
}


def deviations(scheduler: str) -> dict[str, str]:
    """The names of the checks that a scheduler does not pass, each with the reason."""
    return _DEVIATIONS.get(scheduler, {})
