"""The schedulers of diffusers that are bridged, and the reasons why the others are not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

# diffusers itself uses alpha_bar = 2^-24 if nothing of the data is left.
LIMIT = 4096.0

FamilyName = Literal["angle", "exploding", "flow", "multistep", "table", "two_stage"]


@dataclass(frozen=True)
class Bridged:
    """How one scheduler is called."""

    family: FamilyName
    output: Literal["edm", "eps", "v", "velocity", "velocity_to_data", "x0"]  # what it takes as the network's output
    order: int | None  # of convergence, as claimed for its default options; None if it adds noise
    decided: Mapping[str, Any] = field(default_factory=dict)  # constructor arguments that the bridge sets
    defaults: Mapping[str, Any] = field(default_factory=dict)  # constructor arguments that it sets unless an option does
    step_options: tuple[str, ...] = ()  # options that are arguments of `step`, not of the constructor

    @property
    def limit(self) -> float:
        """The largest sigma / alpha that it supports; infinite if it does not divide by alpha."""
        if self.family == "flow":
            return math.inf
        # DDIM with eta = 1 takes the root of an expression in alpha_bar that rounding must not make negative.
        return 1e6 if self.family == "table" and self.output != "eps" else LIMIT


_EPS = {"prediction_type": "epsilon"}
_X0 = {"prediction_type": "sample"}
_TWO_ROWS = {"num_train_timesteps": 2}
# DDPM and DDIM of diffusers clip x0 to [-1, 1] by default; here the posterior mean does that.
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
    "UniPCMultistepScheduler": Bridged("multistep", "x0", 3, _X0),
}

_DISTILLED = "it needs a network distilled into a consistency or flow map, which a posterior mean is not"
_DISCRETE = "it moves discrete tokens, not images along a Gaussian path"
_UPWARD = "it moves from data to noise; the core makes the moves up"
_OWN_SCHEDULE = "its noise schedule is a fixed formula inside `step`"

REFUSED: dict[str, str] = {
    "AmusedScheduler": _DISCRETE,
    "BlockRefinementScheduler": _DISCRETE,
    "CMStochasticIterativeScheduler": _DISTILLED,
    "CogVideoXDPMScheduler": "its `step` takes the previous x0 and time from the caller; it is DPM-Solver++(2M) SDE",
    "ConsistencyDecoderScheduler": _DISTILLED,
    "DDIMInverseScheduler": _UPWARD,
    "DDPMWuerstchenScheduler": _OWN_SCHEDULE,
    "DPMSolverMultistepInverseScheduler": _UPWARD,
    "DiscreteDDIMScheduler": _DISCRETE,
    "EntropyBoundScheduler": _DISCRETE,
    "FlowMapEulerDiscreteScheduler": _DISTILLED,
    "FlowMatchLCMScheduler": _DISTILLED,
    "HeliosDMDScheduler": _DISTILLED,
    "HeliosScheduler": "it changes the resolution in stages, which a move between two times cannot express",
    "KarrasVeScheduler": "its `step` takes the noised sample and both sigmas from the caller; use HeunDiscreteScheduler on a grid with churn",
    "LCMScheduler": _DISTILLED,
    "PiflowScheduler": "it needs a network that predicts a policy for many substeps",
    "RFD4ProteinaScheduler": "it moves atoms of proteins under masks",
    "RePaintScheduler": "it needs an image and a mask; resampling is a time grid here",
    "SCMScheduler": _DISTILLED,
    "ScoreSdeVeScheduler": "it has `step_pred` and `step_correct` on a fixed geometric grid instead of `step`",
    "ScoreSdeVpScheduler": _OWN_SCHEDULE,
    "TCDScheduler": _DISTILLED,
    "VQDiffusionScheduler": _DISCRETE,
}
