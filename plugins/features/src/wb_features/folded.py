"""Trained networks as they run fastest: batch norm folded into the convolution before it, and the precision that pays."""

from __future__ import annotations

import functools
import math
import time
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

Precision = Literal["fp32", "bf16"]
Wish = Literal["auto", "fp32", "bf16"]

DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
# What torch's own compiler emits on a processor; where a build lacks it, convolution and ReLU are two operations.
ONEDNN = all(
    hasattr(torch.ops.mkldnn, name)
    for name in ("_convolution_pointwise", "_is_mkldnn_bf16_supported", "_reorder_convolution_weight")
)
WORTH = 1.3  # how many times as fast convolutions must be; pooling and copies gain less


def fold(module: nn.Module, convolution: str, norm: str) -> None:
    """Replace a convolution and the batch norm behind it, both named children of `module`, by one convolution that does both."""
    setattr(module, convolution, fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm)))
    setattr(module, norm, nn.Identity())


class Rectified(nn.Module):
    """A convolution and the ReLU behind it: on a processor in one pass over the images, with weights laid out for it once."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution
        self._packed: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[b, c, h, w] -> [b, c', h', w']."""
        if x.device.type != "cpu" or not _has_fused_convolution(x.dtype):
            return F.relu(self.convolution(x), inplace=True)
        with_weights = self.convolution
        how = list(with_weights.padding), list(with_weights.stride), list(with_weights.dilation), with_weights.groups
        if self._packed is None:
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(with_weights.weight, *how, list(x.shape))
        rectified: torch.Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self._packed, with_weights.bias, *how, "relu", [], ""
        )
        return rectified


def _has_fused_convolution(dtype: torch.dtype) -> bool:
    """True if oneDNN computes convolution and ReLU in one operation here; in bf16 it needs AVX-512 or AVX-NE-CONVERT."""
    return ONEDNN and (dtype != torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()))


def freeze(wish: Wish, device: torch.device) -> Precision:
    """What "auto" means on a device: bf16 on processors whose convolutions are clearly faster in it, fp32 elsewhere."""
    if wish != "auto":
        return wish
    return "bf16" if device.type == "cpu" and _gain() > WORTH else "fp32"


@functools.cache
def _gain() -> float:
    """How many times as fast a convolution runs in bf16 on this processor; some emulate it and are slower."""
    x, weight = torch.zeros(8, 64, 35, 35), torch.zeros(96, 64, 3, 3)

    def seconds(precision: Precision) -> float:
        fastest = math.inf
        image, kernel = (each.to(DTYPES[precision], memory_format=torch.channels_last) for each in (x, weight))
        for _ in range(5):
            started = time.perf_counter()
            F.conv2d(image, kernel, padding=1)
            fastest = min(fastest, time.perf_counter() - started)
        return fastest

    with torch.inference_mode():
        return seconds("fp32") / seconds("bf16")
