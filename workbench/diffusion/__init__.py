"""The mathematics between the four nouns, in pure torch."""

from workbench.diffusion.attention import attend
from workbench.diffusion.beta_table import BetaTable
from workbench.diffusion.guidance import Guided
from workbench.diffusion.inversion import bisected_time
from workbench.diffusion.normalization import fork_group_norm_silu, group_norm_silu
from workbench.diffusion.objective import Objective, diffuse
from workbench.diffusion.parameterization import PARAMETERIZATIONS, Parameterization, check_combination
from workbench.diffusion.posterior import (
    Clamped,
    ConditionalPosteriorMean,
    Conditioned,
    Counted,
    Network,
    NetworkPosterior,
    level_of,
)
from workbench.diffusion.sampling import renoise, sample, trajectory
from workbench.diffusion.time_grid import TimeGrid

__all__ = [
    "PARAMETERIZATIONS",
    "BetaTable",
    "Clamped",
    "ConditionalPosteriorMean",
    "Conditioned",
    "Counted",
    "Guided",
    "Network",
    "NetworkPosterior",
    "Objective",
    "Parameterization",
    "TimeGrid",
    "attend",
    "bisected_time",
    "check_combination",
    "diffuse",
    "fork_group_norm_silu",
    "group_norm_silu",
    "level_of",
    "renoise",
    "sample",
    "trajectory",
]
