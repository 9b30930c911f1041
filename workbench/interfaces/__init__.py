"""The plugin API: what a plugin implements, and what it is given. Importing it does not import torch."""

from workbench.errors import CombinationError, DataError, DownloadError, LauncherError, StorageError, WeightsError
from workbench.interfaces.component import Component
from workbench.interfaces.dataset import Dataset, Example, Examples, Provenance, SampleSpec, Split
from workbench.interfaces.denoiser import Denoiser
from workbench.interfaces.features import ExtractorCard, FeatureExtractor, HasWeights, WeightsFile
from workbench.interfaces.launcher import Launched, Launcher
from workbench.interfaces.paths import LocalPath
from workbench.interfaces.resources import Resources
from workbench.interfaces.sampler import PosteriorMean, Sampler
from workbench.interfaces.schedule import NoiseSchedule
from workbench.interfaces.tracker import NullTracker, RunStatus, Tracker
from workbench.random import NoiseSource
from workbench.tensors import read_tensors

__all__ = [
    "CombinationError",
    "Component",
    "DataError",
    "Dataset",
    "Denoiser",
    "DownloadError",
    "Example",
    "Examples",
    "ExtractorCard",
    "FeatureExtractor",
    "HasWeights",
    "Launched",
    "Launcher",
    "LauncherError",
    "LocalPath",
    "NoiseSchedule",
    "NoiseSource",
    "NullTracker",
    "PosteriorMean",
    "Provenance",
    "Resources",
    "RunStatus",
    "SampleSpec",
    "Sampler",
    "Split",
    "StorageError",
    "Tracker",
    "WeightsError",
    "WeightsFile",
    "read_tensors",
]
