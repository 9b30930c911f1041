"""Oracles and matrices for testing components against the truth; shipped, for plugins to use."""

from workbench.testing.matrix import every_denoiser, every_sampler, every_schedule
from workbench.testing.oracles import Constant, GaussianOracle, NoNoise, OracleNetwork

__all__ = ["Constant", "GaussianOracle", "NoNoise", "OracleNetwork", "every_denoiser", "every_sampler", "every_schedule"]
