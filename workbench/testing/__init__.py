"""Oracles, matrices and the conformance kit: what components are tested with against the truth. Shipped, for plugins to use."""

from workbench.testing.checking import Check, CheckResult, NotApplicable, NotConforming, examine, kind_of, require
from workbench.testing.conformance import checks
from workbench.testing.matrix import every_denoiser, every_sampler, every_schedule
from workbench.testing.moments import reached_moments
from workbench.testing.oracles import Constant, ForbiddenNoise, GaussianOracle, MixtureOracle, OracleNetwork
from workbench.testing.order import flow_errors, measured_order
from workbench.testing.reference import QuarterCircle
from workbench.testing.suites import (
    DatasetConformance,
    DenoiserConformance,
    FeatureExtractorConformance,
    SamplerConformance,
    ScheduleConformance,
    parametrize_with_checks,
)

__all__ = [
    "Check",
    "CheckResult",
    "Constant",
    "DatasetConformance",
    "DenoiserConformance",
    "FeatureExtractorConformance",
    "ForbiddenNoise",
    "GaussianOracle",
    "MixtureOracle",
    "NotApplicable",
    "NotConforming",
    "OracleNetwork",
    "QuarterCircle",
    "SamplerConformance",
    "ScheduleConformance",
    "checks",
    "every_denoiser",
    "every_sampler",
    "every_schedule",
    "examine",
    "flow_errors",
    "kind_of",
    "measured_order",
    "parametrize_with_checks",
    "reached_moments",
    "require",
]
