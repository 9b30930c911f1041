"""The checks for feature extractors."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.interfaces import FeatureExtractor, WeightsError
from workbench.testing.checking import NotApplicable, check_of, require

CPU = torch.device("cpu")


def _images(count: int = 5) -> Tensor:
    return torch.randint(0, 256, (count, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def _features(extractor: FeatureExtractor, images: Tensor) -> Tensor:
    try:
        return extractor.build(CPU)(images)
    except WeightsError as error:
        raise NotApplicable(f"its weights are not installed: {error}") from error


@check_of("features")
def card(extractor: FeatureExtractor) -> None:
    """The card names extractor, weights and dimension, and the two metrics have different names."""
    try:
        result = extractor.card()
    except WeightsError as error:
        raise NotApplicable(f"its weights are not installed: {error}") from error
    require(
        len(result.weights_sha256) == 64 and set(result.weights_sha256) <= set("0123456789abcdef"),
        f"{result.weights_sha256!r} is not a SHA-256",
    )
    require(bool(result.extractor and result.resize) and result.dims > 0, f"the card is incomplete: {result}")
    names = extractor.metric("fd"), extractor.metric("kid")
    require(names[0] != names[1], f"the Fréchet and the kernel distance both have the name {names[0]!r}")
    plain = set(names) & {"fid", "kid"}
    require(not plain or result.dims == 2048, f"{sorted(plain)} are names of the 2048-d Inception features only")


@check_of("features")
def shape(extractor: FeatureExtractor) -> None:
    """uint8 images [b, 3, h, w] become float32 features [b, dims] with the dims of the card."""
    features = _features(extractor, _images())
    require(
        tuple(features.shape) == (5, extractor.card().dims),
        f"5 images became {list(features.shape)}, the card gives {extractor.card().dims}",
    )
    require(features.dtype == torch.float32, f"features are {features.dtype} and must be float32")
    require(bool(torch.isfinite(features).all()), "features are not finite")


@check_of("features")
def determinism(extractor: FeatureExtractor) -> None:
    """Building twice gives the same features, and different images have different features."""
    first, second = _features(extractor, _images()), _features(extractor, _images())
    require(torch.equal(first, second), f"two builds differ by up to {float((first - second).abs().max()):.3g}")
    require(not torch.allclose(first[0], first[1]), "two different images have the same features")


@check_of("features")
def batch_invariance(extractor: FeatureExtractor) -> None:
    """An image's features do not depend on its batch."""
    whole = _features(extractor, _images())
    alone = torch.cat([_features(extractor, image[None]) for image in _images()])
    off = float((whole - alone).abs().max())
    require(off <= 1e-3 * float(whole.abs().max()), f"features of single images and of a batch differ by {off:.3g}")


FEATURE_CHECKS = (card, shape, determinism, batch_invariance)
