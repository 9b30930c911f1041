"""Oracles and matrices for testing components against the truth; shipped, for plugins to use."""

from workbench.testing.matrix import every_denoiser, every_sampler, every_schedule
from workbench.testing.oracles import Constant, GaussianOracle, MixtureOracle, NoNoise, OracleNetwork

__all__ = [
    "Constant",
    "GaussianOracle",
    "MixtureOracle",
    "NoNoise",
    "OracleNetwork",
    "every_denoiser",
    "every_sampler",
    "every_schedule",
]
