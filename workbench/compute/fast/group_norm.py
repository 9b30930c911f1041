"""Group norm of images in channels-last memory format."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

# Values in one intermediate result (4 MB); with fewer, the overhead of more calls is larger than the gain.
CACHE_VALUES = 1024 * 1024

Forward = Callable[[Tensor, int, Tensor, Tensor, float], tuple[Tensor, Tensor, Tensor]]


def is_supported(
    image: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> bool:
    """True if `group_norm` supports these arguments: images on the CPU with channels last, a weight and a bias."""
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
    """Group norm (Wu & He 2018, arXiv:1803.08494) of [b, c, h, w], channels last; the same values as torch's, in the dtype of `image`.

    torch's own kernels spend most of their time, above all backward and in bfloat16, on sums that are not vectorized over groups of few
    channels. Here every pass over the image covers all channels at once, and groups are formed from one number per channel [b, c].
    """
    normal: Tensor = _GroupNorm.apply(image, num_groups, weight, bias, eps, _forward)
    return normal


def group_norm_with_torch_forward(image: Tensor, num_groups: int, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """`group_norm` with torch's forward pass, which is fast on large images."""
    normal: Tensor = _GroupNorm.apply(image, num_groups, weight, bias, eps, _torch_forward)
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
        target, x, dy = (
            flatten_pixels(dx),
            flatten_pixels(image),
            flatten_pixels(gradient.contiguous(memory_format=torch.channels_last)),
        )
        blocks = [_backward(target[at], x[at].float(), dy[at].float(), weight, mean[at], rstd[at]) for at in _cache_blocks(x)]
        d_weight, d_bias = (torch.stack(gradients).sum(0).flatten() for gradients in zip(*blocks, strict=True))
        return dx, None, d_weight, d_bias, None, None


def _forward(image: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """The normalized image, and mean and 1 / standard deviation of each group [b, g, 1]."""
    # Not a view: autograd would not let a SiLU that follows change it in place.
    normal = torch.empty_like(image)
    target, pixels = flatten_pixels(normal), flatten_pixels(image)
    moments = []
    for at in _cache_blocks(pixels):
        x = pixels[at].float()
        mean, rstd = _moments(x, groups, eps)
        scale = rstd * _split_groups(weight, groups)  # [b, g, c/g]
        shift = _split_groups(bias, groups) - mean * scale
        target[at] = torch.addcmul(_merge_groups(shift), x, _merge_groups(scale))
        moments.append((mean, rstd))
    means, rstds = zip(*moments, strict=True)
    return normal, torch.cat(means), torch.cat(rstds)


def _torch_forward(image: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    b, c, h, w = image.shape
    normal, mean, rstd = torch.native_group_norm(image, weight, bias, b, c, h * w, groups, eps)
    return normal, mean.float()[..., None], rstd.float()[..., None]


def _backward(target: Tensor, x: Tensor, dy: Tensor, weight: Tensor, mean: Tensor, rstd: Tensor) -> tuple[Tensor, Tensor]:
    """Write the gradient of x [b, p, c] to `target`; return those of weight and bias [g, c/g].

    dx = rstd (w dy - mean(w dy) - normal mean(w dy normal)), means over the group: an affine function of dy and x per channel.
    """
    groups = mean.shape[1]
    count = x.shape[1] * x.shape[2] // groups  # values in a group
    scale = _split_groups(weight, groups)
    d_bias = _split_groups(dy.sum(1), groups)  # [b, g, c/g]
    d_weight = (_split_groups((dy * x).sum(1), groups) - mean * d_bias) * rstd
    slope = -(d_weight * scale).sum(2, keepdim=True) * rstd.square() / count  # [b, g, 1]
    constant = -slope * mean - (d_bias * scale).sum(2, keepdim=True) * rstd / count
    dx = torch.addcmul(_merge_groups(constant.expand_as(d_bias)), x, _merge_groups(slope.expand_as(d_bias)))
    target.copy_(dx.addcmul_(dy, _merge_groups(rstd * scale)))
    return d_weight.sum(0), d_bias.sum(0)


def _moments(x: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor]:
    """Mean and 1 / standard deviation [b, g, 1] of x [b, p, c]."""
    count = x.shape[1] * x.shape[2] // groups
    # In float64 from here on, because the difference of two squares loses digits.
    mean = _split_groups(x.sum(1).double(), groups).sum(2, keepdim=True) / count
    square = _split_groups((x * x).sum(1).double(), groups).sum(2, keepdim=True) / count
    variance = (square - mean.square()).clamp(min=0.0)
    return mean.float(), (variance + eps).rsqrt().float()


def flatten_pixels(image: Tensor) -> Tensor:
    """[b, c, h, w] with channels last -> [b, h w, c], a view."""
    return image.permute(0, 2, 3, 1).reshape(len(image), math.prod(image.shape[2:]), image.shape[1])


def _cache_blocks(pixels: Tensor) -> list[slice]:
    """Slices of images [b, p, c] whose intermediate results stay in the CPU's caches."""
    size = max(1, CACHE_VALUES // (pixels.shape[1] * pixels.shape[2]))
    return [slice(start, start + size) for start in range(0, len(pixels), size)]


def _split_groups(channels: Tensor, groups: int) -> Tensor:
    """[..., c] -> [..., g, c/g]."""
    return channels.reshape(*channels.shape[:-1], groups, -1)


def _merge_groups(grouped: Tensor) -> Tensor:
    """[b, g, c/g] -> [b, 1, c]."""
    return grouped.reshape(len(grouped), 1, -1)
