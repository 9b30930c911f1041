"""Group norm of images whose channels come last in memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

# Values of one intermediate result (4 MB); fewer at a time are lost to the overhead of more calls.
CACHED = 1024 * 1024

Forward = Callable[[Tensor, int, Tensor, Tensor, float], tuple[Tensor, Tensor, Tensor]]


def suits(image: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> bool:
    """Whether `group_norm` computes this case: images on the host with channels last, a weight and a bias."""
    return (
        image.dim() == 4
        and image.device.type == "cpu"
        and image.dtype in (torch.float32, torch.bfloat16)
        and image.is_contiguous(memory_format=torch.channels_last)
        and weight is not None
        and bias is not None
        and weight.dtype == bias.dtype == torch.float32
    )


def group_norm(image: Tensor, num_groups: int, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """Wu & He 2018 (arXiv:1803.08494) of [b, c, h, w], channels last; the same values as torch's, in the dtype of `image`.

    torch's own kernels spend most of their time, above all backward and in bfloat16, on sums that are not vectorized over groups of few
    channels. Here every pass over the image is one over all channels at once, and groups are formed of numbers per channel [b, c].
    """
    normal: Tensor = _GroupNorm.apply(image, num_groups, weight, bias, eps, _forward)
    return normal


def group_norm_with_torchs_forward(image: Tensor, num_groups: int, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """The same, with torch's own forward pass: on large images that one is fast."""
    normal: Tensor = _GroupNorm.apply(image, num_groups, weight, bias, eps, _torchs_forward)
    return normal


class _GroupNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, image: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float, compute: Forward
    ) -> Tensor:
        normal, mean, rstd = compute(image, groups, weight, bias, eps)
        ctx.save_for_backward(image, weight, mean, rstd)
        ctx.groups = groups  # type: ignore[attr-defined]
        return normal

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        image, weight, mean, rstd = ctx.saved_tensors
        dx = torch.empty_like(image)
        into, x, dy = as_pixels(dx), as_pixels(image), as_pixels(gradient.contiguous(memory_format=torch.channels_last))
        blocks = [_backward(into[at], x[at].float(), dy[at].float(), weight, mean[at], rstd[at]) for at in _blocks(x)]
        of_weight, of_bias = (torch.stack(each).sum(0).flatten() for each in zip(*blocks, strict=True))
        return dx, None, of_weight, of_bias, None, None


def _forward(image: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """The normal image, and mean and 1 / standard deviation of each group [b, g, 1]."""
    # Not a view, which autograd would not let a SiLU after it change in place.
    normal = torch.empty_like(image)
    into, pixels = as_pixels(normal), as_pixels(image)
    moments = []
    for at in _blocks(pixels):
        x = pixels[at].float()
        mean, rstd = _moments(x, groups, eps)
        scale = rstd * _grouped(weight, groups)  # [b, g, c/g]
        shift = _grouped(bias, groups) - mean * scale
        into[at] = torch.addcmul(_per_channel(shift), x, _per_channel(scale))
        moments.append((mean, rstd))
    means, rstds = zip(*moments, strict=True)
    return normal, torch.cat(means), torch.cat(rstds)


def _torchs_forward(image: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    b, c, h, w = image.shape
    normal, mean, rstd = torch.native_group_norm(image, weight, bias, b, c, h * w, groups, eps)
    return normal, mean.float()[..., None], rstd.float()[..., None]


def _backward(into: Tensor, x: Tensor, dy: Tensor, weight: Tensor, mean: Tensor, rstd: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient of x [b, p, c] goes `into`; those of weight and bias [g, c/g] are returned.

    dx = rstd (w dy - mean(w dy) - normal mean(w dy normal)), means over the group: an affine function of dy and x per channel.
    """
    groups = mean.shape[1]
    count = x.shape[1] * x.shape[2] // groups  # values in a group
    scale = _grouped(weight, groups)
    of_bias = _grouped(dy.sum(1), groups)  # [b, g, c/g]
    of_weight = (_grouped((dy * x).sum(1), groups) - mean * of_bias) * rstd
    on_x = -(of_weight * scale).sum(2, keepdim=True) * rstd.square() / count  # [b, g, 1]
    constant = -on_x * mean - (of_bias * scale).sum(2, keepdim=True) * rstd / count
    dx = torch.addcmul(_per_channel(constant.expand_as(of_bias)), x, _per_channel(on_x.expand_as(of_bias)))
    into.copy_(dx.addcmul_(dy, _per_channel(rstd * scale)))
    return of_weight.sum(0), of_bias.sum(0)


def _moments(x: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor]:
    """Mean and 1 / standard deviation [b, g, 1] of x [b, p, c]."""
    count = x.shape[1] * x.shape[2] // groups
    # In float64 from here on: the difference of two squares loses digits.
    mean = _grouped(x.sum(1).double(), groups).sum(2, keepdim=True) / count
    square = _grouped((x * x).sum(1).double(), groups).sum(2, keepdim=True) / count
    variance = (square - mean.square()).clamp(min=0.0)
    return mean.float(), (variance + eps).rsqrt().float()


def as_pixels(image: Tensor) -> Tensor:
    """[b, c, h, w] with channels last -> [b, h w, c], a view."""
    return image.permute(0, 2, 3, 1).reshape(len(image), math.prod(image.shape[2:]), image.shape[1])


def _blocks(pixels: Tensor) -> list[slice]:
    """Slices of images [b, p, c] whose intermediate results stay in the processor's caches."""
    at_once = max(1, CACHED // (pixels.shape[1] * pixels.shape[2]))
    return [slice(start, start + at_once) for start in range(0, len(pixels), at_once)]


def _grouped(of_channels: Tensor, groups: int) -> Tensor:
    """[..., c] -> [..., g, c/g]."""
    return of_channels.reshape(*of_channels.shape[:-1], groups, -1)


def _per_channel(grouped: Tensor) -> Tensor:
    """[b, g, c/g] -> [b, 1, c]."""
    return grouped.reshape(len(grouped), 1, -1)
