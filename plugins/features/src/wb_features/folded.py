"""Faster inference of trained networks: batch norm folded into the convolution before it, and the fastest precision."""

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
PrecisionSetting = Literal["auto", "fp32", "bf16"]

DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
# The operations that torch's compiler emits on the CPU; in builds without them, convolution and ReLU are two operations.
ONEDNN = all(
    hasattr(torch.ops.mkldnn, name)
    for name in ("_convolution_pointwise", "_is_mkldnn_bf16_supported", "_reorder_convolution_weight")
)
MIN_SPEEDUP = 1.3  # required speed-up of convolutions; pooling and copies gain less


def fold(module: nn.Module, convolution: str, norm: str) -> None:
    """Replace a convolution and the batch norm after it, both named children of `module`, by one equivalent convolution."""
    setattr(module, convolution, fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm)))
    setattr(module, norm, nn.Identity())


class ConvReLU(nn.Module):
    """A convolution and the ReLU after it: on the CPU in one pass over the images, with weights that are reordered once."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution
        self._packed: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[b, c, h, w] -> [b, c', h', w']."""
        if x.device.type != "cpu" or not _has_fused_convolution(x.dtype):
            return F.relu(self.convolution(x), inplace=True)
        conv = self.convolution
        settings = list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups
        if self._packed is None:
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(conv.weight, *settings, list(x.shape))
        rectified: torch.Tensor = torch.ops.mkldnn._convolution_pointwise(x, self._packed, conv.bias, *settings, "relu", [], "")
        return rectified


def _has_fused_convolution(dtype: torch.dtype) -> bool:
    """True if oneDNN computes convolution and ReLU in one operation on this CPU; in bf16 it needs AVX-512 or AVX-NE-CONVERT."""
    return ONEDNN and (dtype != torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()))


def choose_precision(setting: PrecisionSetting, device: torch.device) -> Precision:
    """Resolve "auto" on a device: bf16 on CPUs whose convolutions are clearly faster in it, else fp32."""
    if setting != "auto":
        return setting
    return "bf16" if device.type == "cpu" and _bf16_speedup() > MIN_SPEEDUP else "fp32"


@functools.cache
def _bf16_speedup() -> float:
    """The speed-up of a convolution in bf16 on this CPU; below 1 on CPUs that emulate it."""
    x, weight = torch.zeros(8, 64, 35, 35), torch.zeros(96, 64, 3, 3)

    def seconds(precision: Precision) -> float:
        fastest = math.inf
        image, kernel = (tensor.to(DTYPES[precision], memory_format=torch.channels_last) for tensor in (x, weight))
        for _ in range(5):
            started = time.perf_counter()
            F.conv2d(image, kernel, padding=1)
            fastest = min(fastest, time.perf_counter() - started)
        return fastest

    with torch.inference_mode():
        return seconds("fp32") / seconds("bf16")
