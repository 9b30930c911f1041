"""Group norm, with SiLU or without, in three compiled kernels; all terms per image and channel are merged into one factor and one offset."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from workbench.compute.fast.exponential import sigmoid
from workbench.compute.fast.group_norm import flatten_pixels
from workbench.compute.fast.kernels import Blueprint, Kernel


def is_supported(
    image: Tensor,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    eps: float = 1e-5,
    *per_image: Tensor | None,
) -> bool:
    """True if the kernels support these arguments: images on the CPU with channels last, and `per_image` tensors of [b, c]."""
    return (
        image.dim() == 4
        and image.numel() > 0
        and image.shape[1] % groups == 0
        and all(tensor is None or tensor.shape == image.shape[:2] for tensor in per_image)
        and image.device.type == "cpu"
        and image.dtype in (torch.float32, torch.bfloat16)
        and image.is_contiguous(memory_format=torch.channels_last)
        and weight.dtype == bias.dtype == torch.float32
    )


def family(dtype: torch.dtype, *, silu: bool = True) -> str:
    """The name of the kernels for images of `dtype`, with SiLU or without."""
    return f"norm_{'silu_' if silu else ''}{str(dtype).removeprefix('torch.')}"


def norm_silu(
    kernels: Mapping[str, Kernel],
    image: Tensor,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    eps: float = 1e-5,
    added: Tensor | None = None,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
) -> Tensor:
    """`group_norm_silu`, or the same without SiLU, with the kernels of `family`.

    The values are those of torch up to the rounding of intermediate results: the sum of `added` and the image is never stored.
    """
    b, c = image.shape[:2]
    gamma, beta = weight.expand(b, c), bias.expand(b, c)
    if scale is not None and shift is not None:
        gamma, beta = gamma * (1.0 + scale.float()), torch.addcmul(shift.float(), beta, 1.0 + scale.float())
    offset = image.new_zeros((), dtype=torch.float32).expand(b, c) if added is None else added.float()
    out: Tensor = _NormSiLU.apply(image, offset, gamma, beta, groups, eps, kernels, False)
    return out


def fork_norm_silu(
    kernels: Mapping[str, Kernel], image: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor]:
    """`fork_group_norm_silu` with the kernels of `family`."""
    b, c = image.shape[:2]
    offset = image.new_zeros((), dtype=torch.float32).expand(b, c)
    out: tuple[Tensor, Tensor] = _NormSiLU.apply(
        image, offset, weight.expand(b, c), bias.expand(b, c), groups, eps, kernels, True
    )
    return out


class _NormSiLU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx,
        image: Tensor,
        added: Tensor,
        gamma: Tensor,
        beta: Tensor,
        groups: int,
        eps: float,
        kernels: Mapping[str, Kernel],
        fork: bool,
    ) -> Tensor | tuple[Tensor, Tensor]:
        x = _split_pixels(image, groups)
        added, gamma, beta = (tensor.reshape(len(x), groups, -1).contiguous() for tensor in (added, gamma, beta))
        y, *saved = kernels["forward"](x, added, gamma, beta, torch.tensor(eps))
        ctx.save_for_backward(image, added, gamma, *saved)
        ctx.groups, ctx.kernels = groups, kernels  # type: ignore[attr-defined]
        return (_merge_pixels(y, image), image) if fork else _merge_pixels(y, image)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, branch: Tensor | None = None) -> tuple[Tensor | None, ...]:
        image, added, gamma, a, b, mean, rstd, total = ctx.saved_tensors
        x = _split_pixels(image, ctx.groups)
        dy = _split_pixels(_channels_last(gradient), ctx.groups)
        slope, constant, *per_channel = ctx.kernels["sums"](x, dy, a, b, mean, rstd, total, added, gamma)
        arguments = [x.flatten(2), dy.flatten(2), *(tensor.flatten(1) for tensor in (a, b, slope, constant))]
        if branch is None:
            (dx,) = ctx.kernels["backward"](*arguments)
        else:
            (dx,) = ctx.kernels["backward_of_fork"](*arguments, flatten_pixels(_channels_last(branch)))
        return _merge_pixels(dx, image), *(tensor.flatten(1) for tensor in per_channel), None, None, None, None


def _forward(silu: bool, x: Tensor, added: Tensor, gamma: Tensor, beta: Tensor, eps: Tensor) -> tuple[Tensor, ...]:
    """x [b, p, g, c/g], `added`, `gamma`, `beta` [b, g, c/g] -> x a + b, or SiLU of it, shaped like x; a and b; mean and
    1 / standard deviation of each group [b, g, 1]; the sum of all x + added [b, g, c/g]."""
    _, p, _, k = x.shape
    values = x.float()
    # In float64 from here on, because the difference of two squares loses digits.
    first, second = values.sum(1).double(), (values * values).sum(1).double()
    total = first + p * added
    square = second + 2.0 * added * first + p * added * added
    mean = total.sum(2, keepdim=True) / (p * k)
    variance = (square.sum(2, keepdim=True) / (p * k) - mean * mean).clamp(min=0.0)
    rstd, mean = (variance + eps).rsqrt().float(), mean.float()
    a = rstd * gamma
    b = beta + (added - mean) * a
    y = values * a[:, None] + b[:, None]
    return (y * sigmoid(y) if silu else y).to(x.dtype), a, b, mean, rstd, total.float()


def _sums(
    silu: bool,
    x: Tensor,
    dy: Tensor,
    a: Tensor,
    b: Tensor,
    mean: Tensor,
    rstd: Tensor,
    total: Tensor,
    added: Tensor,
    gamma: Tensor,
) -> tuple[Tensor, ...]:
    """Slope and constant of x in the gradient of x, which is affine in x and in the norm's gradient; and the gradients of `added`, `gamma`, `beta`.

    They correspond to mean(w dy normal) and mean(w dy) in group_norm.py; every returned tensor is [b, g, c/g].
    """
    _, p, _, k = x.shape
    dn = _norm_gradient(silu, x, dy, a[:, None], b[:, None])
    d_beta, product = dn.sum(1), (dn * x.float()).sum(1)
    d_gamma = (product + (added - mean) * d_beta) * rstd
    slope = -(d_gamma * gamma).sum(2, keepdim=True) * rstd * rstd / (p * k)
    constant = -slope * mean - (d_beta * gamma).sum(2, keepdim=True) * rstd / (p * k)
    d_added = a * d_beta + slope * total + p * constant
    return slope.expand_as(a).contiguous(), constant + added * slope, d_added, d_gamma, d_beta


def _backward(silu: bool, x: Tensor, dy: Tensor, a: Tensor, b: Tensor, slope: Tensor, constant: Tensor) -> tuple[Tensor, ...]:
    """The gradient of x [b, p, c]; x and `dy` are [b, p, c], the others [b, c]."""
    dn = _norm_gradient(silu, x, dy, a[:, None], b[:, None])
    return ((dn * a[:, None] + x.float() * slope[:, None] + constant[:, None]).to(x.dtype),)


def _backward_of_fork(
    x: Tensor, dy: Tensor, a: Tensor, b: Tensor, slope: Tensor, constant: Tensor, branch: Tensor
) -> tuple[Tensor, ...]:
    """`_backward` with SiLU, plus the gradient [b, p, c] of x from the residual branch."""
    (dx,) = _backward(True, x.float(), dy, a, b, slope, constant)
    return ((dx + branch.float()).to(x.dtype),)


def _norm_gradient(silu: bool, x: Tensor, dy: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The gradient of the norm: dy, times the derivative of SiLU at x a + b if there is one."""
    if not silu:
        return dy.float()
    y = x.float() * a + b
    share = sigmoid(y)
    return dy.float() * (share * (1.0 + y * (1.0 - share)))


def blueprints(dtype: torch.dtype, *, silu: bool = True) -> dict[str, Blueprint]:
    """The kernels for images of `dtype`, with SiLU or without."""
    image, pixels = torch.randn(4, 64, 32, 5).to(dtype), torch.randn(4, 64, 72).to(dtype)
    channel, group, flat = torch.randn(4, 32, 5), torch.randn(4, 32, 1), torch.randn(4, 72)
    image_sizes, channel_sizes, group_sizes = "b p g k", "b g k", "b g -"
    backward_tensors, backward_sizes = (pixels, pixels, *(flat,) * 4), ("b p c", "b p c", *("b c",) * 4)
    kernels = {
        "forward": Blueprint(
            partial(_forward, silu),
            (image, channel, channel, channel, torch.tensor(1e-5)),
            (image_sizes, *(channel_sizes,) * 3, ""),
        ),
        "sums": Blueprint(
            partial(_sums, silu),
            (image, image, channel, channel, group, group, channel, channel, channel),
            (image_sizes, image_sizes, *(channel_sizes,) * 2, *(group_sizes,) * 2, *(channel_sizes,) * 3),
        ),
        "backward": Blueprint(partial(_backward, silu), backward_tensors, backward_sizes),
    }
    if silu:
        kernels["backward_of_fork"] = Blueprint(_backward_of_fork, (*backward_tensors, pixels), (*backward_sizes, "b p c"))
    return kernels


def _channels_last(image: Tensor) -> Tensor:
    return image.contiguous(memory_format=torch.channels_last)


def _split_pixels(image: Tensor, groups: int) -> Tensor:
    """[b, c, h, w] with channels last -> [b, h w, g, c/g], a view."""
    pixels = flatten_pixels(image)
    return pixels.reshape(*pixels.shape[:2], groups, -1)


def _merge_pixels(grouped: Tensor, like: Tensor) -> Tensor:
    """[b, h w, ...] -> [b, c, h, w] with channels last."""
    b, c, h, w = like.shape
    return grouped.reshape(b, h, w, c).permute(0, 3, 1, 2)
