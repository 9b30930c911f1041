"""All checks, by kind of component."""

from __future__ import annotations

from workbench.registry import Kind
from workbench.testing.checking import Check
from workbench.testing.common_checks import recipe_round_trip
from workbench.testing.dataset_checks import DATASET_CHECKS
from workbench.testing.denoiser_checks import DENOISER_CHECKS
from workbench.testing.feature_checks import FEATURE_CHECKS
from workbench.testing.launcher_checks import LAUNCHER_CHECKS
from workbench.testing.sampler_conduct import CONDUCT_CHECKS
from workbench.testing.sampler_truth import TRUTH_CHECKS
from workbench.testing.schedule_checks import SCHEDULE_CHECKS

CHECKS: dict[Kind, tuple[Check, ...]] = {
    "schedules": SCHEDULE_CHECKS,
    "denoisers": DENOISER_CHECKS,
    "samplers": (*TRUTH_CHECKS, *CONDUCT_CHECKS),
    "datasets": DATASET_CHECKS,
    "features": FEATURE_CHECKS,
    "launchers": LAUNCHER_CHECKS,
}


def checks(kind: Kind) -> tuple[Check, ...]:
    """The checks for components of a kind; the basic ones first."""
    return (*CHECKS[kind], recipe_round_trip(kind))
