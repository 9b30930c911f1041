"""Which schedulers of diffusers are bridged, how, and why the others are not."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

# alpha_bar = 2^-24 is what diffusers itself puts where nothing of the data is left.
LIMIT = 4096.0

FamilyName = Literal["angle", "exploding", "flow", "multistep", "table", "two_stage"]


@dataclass(frozen=True)
class Bridged:
    """How one scheduler is driven."""

    family: FamilyName
    output: Literal["edm", "eps", "v", "velocity", "velocity_to_data", "x0"]  # what it is handed as the network's output
    order: int | None  # of convergence, as claimed for its default options; None where it adds noise
    decided: Mapping[str, Any] = field(default_factory=dict)  # constructor arguments the bridge fixes
    defaults: Mapping[str, Any] = field(default_factory=dict)  # constructor arguments it sets unless an option does
    step_options: tuple[str, ...] = ()  # options that are arguments of `step`, not of the constructor

    @property
    def limit(self) -> float:
        """The largest sigma / alpha it can be given; those that never divide by alpha know no limit."""
        return math.inf if self.family in ("flow", "table") and self.output != "eps" else LIMIT


_EPS = {"prediction_type": "epsilon"}
_X0 = {"prediction_type": "sample"}
_V = {"prediction_type": "v_prediction"}
_TWO_ROWS = {"num_train_timesteps": 2}
# Their DDPM and DDIM clip x0 to [-1, 1] unless told otherwise; here that is the business of the posterior mean.
_UNCLIPPED = {"clip_sample": False}

BRIDGED: dict[str, Bridged] = {
    "CogVideoXDDIMScheduler": Bridged("table", "x0", 1, _X0 | _TWO_ROWS | _UNCLIPPED),
    "CosineDPMSolverMultistepScheduler": Bridged("exploding", "edm", None, _EPS),
    "DDIMParallelScheduler": Bridged("table", "x0", 1, _X0 | _TWO_ROWS, _UNCLIPPED, ("eta",)),
    "DDIMScheduler": Bridged("table", "x0", 1, _X0 | _TWO_ROWS, _UNCLIPPED, ("eta",)),
    "DDPMParallelScheduler": Bridged("table", "x0", None, _X0 | _TWO_ROWS, _UNCLIPPED),
    "DDPMScheduler": Bridged("table", "x0", None, _X0 | _TWO_ROWS, _UNCLIPPED),
    "DEISMultistepScheduler": Bridged("multistep", "x0", 2, _X0),
    "DPMSolverMultistepScheduler": Bridged("multistep", "x0", 2, _X0),
    "DPMSolverSDEScheduler": Bridged("two_stage", "eps", None, _EPS | _TWO_ROWS),
    "DPMSolverSinglestepScheduler": Bridged("multistep", "x0", 2, _X0),
    "EDMDPMSolverMultistepScheduler": Bridged("exploding", "edm", 2, _EPS),
    "EDMEulerScheduler": Bridged("exploding", "edm", 1, _EPS),
    "EulerAncestralDiscreteScheduler": Bridged("exploding", "eps", None, _EPS),
    "EulerDiscreteScheduler": Bridged("exploding", "x0", 1, _X0),
    "FlowMatchEulerDiscreteScheduler": Bridged("flow", "velocity", 1),
    "FlowMatchHeunDiscreteScheduler": Bridged("flow", "velocity", 2),
    "HeunDiscreteScheduler": Bridged("two_stage", "eps", 2, _EPS | _TWO_ROWS),
    "IPNDMScheduler": Bridged("angle", "v", 4),
    "KDPM2AncestralDiscreteScheduler": Bridged("two_stage", "eps", None, _EPS | _TWO_ROWS),
    "KDPM2DiscreteScheduler": Bridged("two_stage", "eps", 2, _EPS | _TWO_ROWS),
    "LMSDiscreteScheduler": Bridged("exploding", "x0", 4, _X0, step_options=("order",)),
    "LTXEulerAncestralRFScheduler": Bridged("flow", "velocity", None),
    "MiniMaxH3Scheduler": Bridged("flow", "velocity_to_data", 1),
    "PNDMScheduler": Bridged("table", "eps", 4, _EPS | _TWO_ROWS | {"skip_prk_steps": True}),
    "SASolverScheduler": Bridged("multistep", "x0", None, _X0),
    "UnCLIPScheduler": Bridged("table", "x0", None, _X0 | _TWO_ROWS, _UNCLIPPED),
    "UniPCMultistepScheduler": Bridged("multistep", "x0", 2, _X0),
}

_DISTILLED = "it needs a network distilled into a consistency or flow map, which a posterior mean is not"
_DISCRETE = "it moves discrete tokens, not images along a Gaussian path"
_UPWARD = "it moves from data to noise; moves up are the core's"
_OWN_SCHEDULE = "its noise schedule is a fixed formula inside `step`"

REFUSED: dict[str, str] = {
    "AmusedScheduler": _DISCRETE,
    "BlockRefinementScheduler": _DISCRETE,
    "CMStochasticIterativeScheduler": _DISTILLED,
    "CogVideoXDPMScheduler": "its `step` wants the previous x0 and time from the caller; it is DPM-Solver++(2M) SDE",
    "ConsistencyDecoderScheduler": _DISTILLED,
    "DDIMInverseScheduler": _UPWARD,
    "DDPMWuerstchenScheduler": _OWN_SCHEDULE,
    "DPMSolverMultistepInverseScheduler": _UPWARD,
    "DiscreteDDIMScheduler": _DISCRETE,
    "EntropyBoundScheduler": _DISCRETE,
    "FlowMapEulerDiscreteScheduler": _DISTILLED,
    "FlowMatchLCMScheduler": _DISTILLED,
    "HeliosDMDScheduler": _DISTILLED,
    "HeliosScheduler": "it works through stages of resolution, which one move between two times is not",
    "KarrasVeScheduler": "its `step` wants the noised sample and both sigmas from the caller; use HeunDiscreteScheduler on a path with churn",
    "LCMScheduler": _DISTILLED,
    "PiflowScheduler": "it needs a network that predicts a policy for many substeps",
    "RFD4ProteinaScheduler": "it moves atoms of proteins under masks",
    "RePaintScheduler": "it needs an image and a mask; resampling is a path here",
    "SCMScheduler": _DISTILLED,
    "ScoreSdeVeScheduler": "it has `step_pred` and `step_correct` on a fixed geometric grid instead of `step`",
    "ScoreSdeVpScheduler": _OWN_SCHEDULE,
    "TCDScheduler": _DISTILLED,
    "VQDiffusionScheduler": _DISCRETE,
}

# Constructor arguments that choose what the recipe's schedule, path and parameterization choose here.
DECIDED_ELSEWHERE = frozenset(
    [
        "base_image_seq_len",
        "base_shift",
        "beta_end",
        "beta_schedule",
        "beta_start",
        "disable_corrector",
        "final_sigmas_type",
        "flow_shift",
        "interpolation_type",
        "invert_sigmas",
        "lambda_min_clipped",
        "max_image_seq_len",
        "max_shift",
        "num_train_timesteps",
        "prediction_type",
        "rescale_betas_zero_snr",
        "rho",
        "set_alpha_to_one",
        "shift",
        "shift_terminal",
        "sigma_data",
        "sigma_max",
        "sigma_min",
        "sigma_schedule",
        "skip_prk_steps",
        "snr_shift_scale",
        "solver_p",
        "steps_offset",
        "tau_func",
        "time_shift_type",
        "timestep_spacing",
        "timestep_type",
        "trained_betas",
        "use_beta_sigmas",
        "use_dynamic_shifting",
        "use_exponential_sigmas",
        "use_flow_sigmas",
        "use_karras_sigmas",
        "use_lu_lambdas",
    ]
)


def check_name(scheduler: str) -> None:
    """ValueError where the scheduler is not bridged, with the reason or with what was probably meant."""
    if scheduler in BRIDGED:
        return
    if scheduler in REFUSED:
        raise ValueError(f"'{scheduler}' cannot be bridged: {REFUSED[scheduler]}. Bridged: {', '.join(sorted(BRIDGED))}")
    close = difflib.get_close_matches(scheduler, [*BRIDGED, *REFUSED], n=1)
    guess = f" (did you mean '{close[0]}'?)" if close else ""
    raise ValueError(f"diffusers 0.42 has no scheduler '{scheduler}'{guess}. Bridged: {', '.join(sorted(BRIDGED))}")


def check_options(scheduler: str, options: Mapping[str, Any], offered: set[str]) -> None:
    """ValueError where an option is not offered (`offered`: the constructor's arguments) or is not for the sampler to choose."""
    allowed = {*offered - DECIDED_ELSEWHERE - set(BRIDGED[scheduler].decided), *BRIDGED[scheduler].step_options}
    for name, value in options.items():
        if name in DECIDED_ELSEWHERE & offered or name in BRIDGED[scheduler].decided:
            raise ValueError(
                f"options.{name} is decided by the recipe's schedule, path and posterior mean; "
                f"'{scheduler}' takes {', '.join(sorted(allowed)) or 'no options'}"
            )
        if name not in allowed:
            close = difflib.get_close_matches(name, allowed, n=1)
            guess = f" (did you mean '{close[0]}'?)" if close else ""
            raise ValueError(
                f"'{scheduler}' has no option '{name}'{guess}. It takes {', '.join(sorted(allowed)) or 'no options'}"
            )
        if name == "variance_type" and str(value).startswith("learned"):
            raise ValueError(
                f"options.variance_type = {value!r} needs a network that predicts variances; use 'fixed_small' or 'fixed_large'"
            )
