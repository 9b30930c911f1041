"""The public surface is small, and changes only on purpose."""

import importlib
from types import FunctionType

import pytest

PUBLIC = {
    "workbench": ["__version__"],
    "workbench.interfaces": [
        "CombinationError", "Component", "DataError", "Dataset", "Denoiser", "DownloadError", "Example", "Examples", "ExtractorCard", "FeatureExtractor", "HasWeights",
        "Launched", "Launcher", "LauncherError", "LocalPath", "NoiseSchedule", "NoiseSource", "NullTracker", "PosteriorMean", "Provenance", "Resources", "RunStatus", "SampleSpec", "Sampler", "Split", "StorageError",
        "Tracker", "WeightsError", "WeightsFile", "read_tensors",
    ],
    "workbench.diffusion": [
        "PARAMETERIZATIONS", "BetaTable", "Clamped", "ConditionalPosteriorMean", "Conditioned", "Counted", "Guided", "Network", "NetworkPosterior", "Objective",
        "Parameterization", "TimeGrid", "attend", "bisected_time", "check_combination", "diffuse", "fork_group_norm_silu", "group_norm_silu", "level_of", "renoise", "sample", "trajectory",
    ],
    "workbench.testing": [
        "Check", "Constant", "DatasetConformance", "DenoiserConformance", "FeatureExtractorConformance", "GaussianOracle", "MixtureOracle",
        "ForbiddenNoise", "LauncherConformance", "NotApplicable", "NotConforming", "OracleNetwork", "CheckResult", "QuarterCircle", "SamplerConformance", "ScheduleConformance",
        "checks", "every_denoiser", "every_sampler", "every_schedule", "examine", "flow_errors", "kind_of", "measured_order",
        "parametrize_with_checks", "reached_moments", "require",
    ],
}  # fmt: skip


@pytest.mark.parametrize("module", PUBLIC)
def test_the_plugin_api_is_what_it_was(module):
    loaded = importlib.import_module(module)
    assert sorted(loaded.__all__) == sorted(PUBLIC[module])
    assert all(hasattr(loaded, name) for name in loaded.__all__)


def test_packages_list_what_they_export_and_modules_do_not(repository):
    wrong = []
    for path in sorted((repository / "workbench").rglob("*.py")):
        name = ".".join(path.relative_to(repository).with_suffix("").parts).removesuffix(".__init__")
        module = importlib.import_module(name)
        listed = getattr(module, "__all__", None)
        if path.name != "__init__.py":
            wrong += [name] if listed is not None else []
        elif listed is not None and (listed != sorted(listed) or not all(hasattr(module, export) for export in listed)):
            wrong.append(name)
    assert wrong == []


def test_everything_public_is_documented():
    wrong = [
        f"{module}.{name}"
        for module in PUBLIC
        for name in PUBLIC[module]
        if isinstance(value := getattr(importlib.import_module(module), name), type | FunctionType) and not value.__doc__
    ]
    assert wrong == []


def test_types_are_shipped(repository):
    packages = [repository / "workbench", *(repository / "plugins").glob("*/src/wb_*")]
    assert len(packages) == 8
    assert all((package / "py.typed").exists() for package in packages)
