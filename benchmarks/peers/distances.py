"""pytorch-fid and torch-fidelity: Inception features and the Fréchet distance."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.timing import Action

BATCHES = {"pytorch-fid": 50, "torch-fidelity": 64}  # their defaults


def random_weights() -> dict[str, Tensor]:
    """Weights of the FID Inception network with activations of ordinary size: for measuring times, not distances."""
    from wb_features.inception_network import InceptionNetwork

    generator = torch.Generator().manual_seed(0)
    tensors: dict[str, Tensor] = InceptionNetwork(2048).state_dict()
    for tensor in tensors.values():
        if tensor.dim() == 4:
            tensor.normal_(0.0, (2.0 / tensor[0].numel()) ** 0.5, generator=generator)
    return {**tensors, "fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}


def complete(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Complete the given weights with random ones. Features before the first random layer are correct."""
    return {**random_weights(), **{name: value for name, value in given.items() if not name.startswith("fc.")}}


def pytorch_fid_features(weights: Mapping[str, Tensor], dims: int, images: Tensor) -> Action:
    """Features [n, dims] by the network and loop of pytorch-fid; images are uint8, and converted to floats as by its data loader."""
    import pytorch_fid.inception as theirs

    with _downloaded(weights, theirs):
        network = theirs.InceptionV3([theirs.InceptionV3.BLOCK_INDEX_BY_DIM[dims]]).eval()

    @torch.no_grad()
    def run() -> Tensor:
        maps = [network(batch.float() / 255.0)[0] for batch in images.split(BATCHES["pytorch-fid"])]
        return torch.cat([torch.nn.functional.adaptive_avg_pool2d(features, 1).flatten(1) for features in maps])

    return run


def torch_fidelity_features(weights: Path, dims: int, images: Tensor) -> Action:
    """Features [n, dims] by the extractor of torch-fidelity; `weights` is a file for torch.load."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3("inception-v3-compat", [str(dims)], feature_extractor_weights_path=str(weights))

    @torch.no_grad()
    def run() -> Tensor:
        return torch.cat([network(batch)[0] for batch in images.split(BATCHES["torch-fidelity"])])

    return run


def pytorch_fid_frechet(real: Tensor, generated: Tensor) -> Action:
    """Statistics of features [n, d] and their distance."""
    import numpy as np
    from pytorch_fid.fid_score import calculate_frechet_distance

    def statistics(features: Tensor) -> tuple[Any, Any]:
        values = features.double().numpy()  # its arrays are float64
        return np.mean(values, axis=0), np.cov(values, rowvar=False)

    def run() -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its call of sqrtm is deprecated
            return float(calculate_frechet_distance(*statistics(real), *statistics(generated)))

    return run


def torch_fidelity_frechet(real: Tensor, generated: Tensor) -> Action:
    """Statistics of features [n, d] and their distance."""
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

    def run() -> float:
        statistics = [fid_features_to_statistics(features) for features in (real, generated)]
        return float(fid_statistics_to_metric(*statistics, False)[KEY_METRIC_FID])

    return run


@contextmanager
def _downloaded(weights: Mapping[str, Tensor], module: Any) -> Iterator[None]:
    """Within the block, pytorch-fid gets these tensors instead of downloading its file."""
    download, module.load_state_dict_from_url = module.load_state_dict_from_url, lambda *_, **__: weights
    try:
        yield
    finally:
        module.load_state_dict_from_url = download
